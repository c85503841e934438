"""The published known issue: a device that dies before the tensors of its ops. Here nothing depends on the order."""

import gc

import tt_lib as ttl


def tensor_outlives_device():
    device = ttl.device.CreateDevice(ttl.device.Arch.GRAYSKULL, 0)
    ttl.device.InitializeDevice(device)
    x = ttl.tensor.Tensor([1.0] * 1024, [1, 1, 32, 32], ttl.tensor.DataType.BFLOAT16, ttl.tensor.Layout.TILE, device)
    return ttl.tensor.exp(ttl.tensor.relu(x))


def closed_under_tensors():
    device = ttl.device.CreateDevice(ttl.device.Arch.GRAYSKULL, 0)
    ttl.device.InitializeDevice(device)
    x = ttl.tensor.Tensor([1.0] * 1024, [1, 1, 32, 32], ttl.tensor.DataType.BFLOAT16, ttl.tensor.Layout.TILE, device)
    y = ttl.tensor.relu(x)
    assert ttl.device.CloseDevice(device)
    assert not ttl.device.CloseDevice(device)
    try:
        y.to(ttl.device.GetHost())
    except RuntimeError as error:
        assert "has been closed; move results to the host before CloseDevice" in str(error), error
    else:
        raise AssertionError("a tensor of a closed device was read")
    ttl.device.InitializeDevice(device)
    return ttl.tensor.relu(ttl.tensor.Tensor([2.0] * 1024, [1, 1, 32, 32], ttl.tensor.DataType.BFLOAT16, ttl.tensor.Layout.TILE, device))


if __name__ == "__main__":
    kept = tensor_outlives_device()
    gc.collect()
    assert abs(kept.to(ttl.device.GetHost()).data()[0] - 2.71875) < 0.02
    again = closed_under_tensors()
    assert again.to(ttl.device.GetHost()).data()[:2] == [2.0, 2.0]
    ttl.device.SetDefaultDevice(again.device())
    print("passed", kept, again)  # both live on while the interpreter exits
