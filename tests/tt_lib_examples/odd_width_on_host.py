"""The third published sequence: a host tensor of odd width and a default device; the result comes back to the host."""

import numpy as np

import tt_lib as ttl

if __name__ == "__main__":
    device = ttl.device.CreateDevice(ttl.device.Arch.GRAYSKULL, 0)
    ttl.device.InitializeDevice(device)
    ttl.device.SetDefaultDevice(device)

    x = np.random.default_rng(0).uniform(-1, 1, (1, 1, 32, 31))
    tensor = ttl.tensor.Tensor(x.reshape(-1).tolist(), x.shape, ttl.tensor.DataType.BFLOAT16, ttl.tensor.Layout.ROW_MAJOR)
    out = ttl.tensor.relu(tensor)
    assert out.on_host() and out.shape() == [1, 1, 32, 31] and out.layout() == ttl.tensor.Layout.ROW_MAJOR
    assert np.allclose(np.reshape(out.data(), x.shape), np.maximum(x, 0), rtol=1 / 128)
    print("passed", out)
