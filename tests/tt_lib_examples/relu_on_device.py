"""The first published sequence: one op on the device. Run as a script; everything is dropped in whatever order Python likes."""

import random

import numpy as np
from libs import tt_lib as tt_lib

if __name__ == "__main__":
    device = tt_lib.device.CreateDevice(tt_lib.device.Arch.GRAYSKULL, 0)
    tt_lib.device.InitializeDevice(device)
    host = tt_lib.device.GetHost()

    values = [random.uniform(-1, 1) for _ in range(2 * 64 * 64)]
    tensor = tt_lib.tensor.Tensor(
        tt_lib.utils.tilize_to_list(np.reshape(values, (1, 2, 64, 64))),
        [1, 2, 64, 64],
        tt_lib.tensor.DataType.BFLOAT16,
        tt_lib.tensor.Layout.TILE,
        device,
    )
    result = tt_lib.tensor.relu(tensor)
    rows = result.to(host).to(tt_lib.tensor.Layout.ROW_MAJOR)
    assert all(got == 0 if value <= 0 else abs(got - value) <= value / 128 for got, value in zip(rows.data(), values, strict=True))
    tt_lib.device.CloseDevice(device)
    print("passed", rows.shape())
