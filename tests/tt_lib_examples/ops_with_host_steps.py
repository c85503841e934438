"""The second published sequence: relu on the device, a power on the host, a fallback silu, exp on the device again."""

import numpy as np

import tt_lib as ttl
from tt_lib.fallback_ops import fallback_ops

if __name__ == "__main__":
    device = ttl.device.CreateDevice(ttl.device.Arch.GRAYSKULL, 0)
    ttl.device.InitializeDevice(device)
    host = ttl.device.GetHost()
    ttl.device.SetDefaultDevice(device)

    x = np.random.default_rng(0).uniform(-1, 1, (1, 1, 32, 32)).astype(np.float32)
    tensor = ttl.tensor.Tensor(ttl.utils.tilize_to_list(x), [1, 1, 32, 32], ttl.tensor.DataType.BFLOAT16, ttl.tensor.Layout.TILE, device)
    relu = ttl.tensor.relu(tensor)

    rows = np.reshape(relu.to(host).to(ttl.tensor.Layout.ROW_MAJOR).data(), relu.shape())
    squared = np.power(rows, 2)

    again = ttl.tensor.Tensor(
        squared.reshape(-1).tolist(), squared.shape, ttl.tensor.DataType.BFLOAT16, ttl.tensor.Layout.ROW_MAJOR, device
    )
    silu = fallback_ops.silu(again)
    out = ttl.tensor.exp(silu)

    got = np.reshape(out.to(host).to(ttl.tensor.Layout.ROW_MAJOR).data(), out.shape())
    power = np.maximum(x, 0) ** 2
    assert np.allclose(got, np.exp(power / (1 + np.exp(-power))), rtol=0.03), np.abs(got).max()
    ttl.device.CloseDevice(device)
    print("passed", out)
