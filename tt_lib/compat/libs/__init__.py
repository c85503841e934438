"""The documented import path: `from libs import tt_lib as tt_lib`."""

import tt_lib as tt_lib
