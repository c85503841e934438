"""The payloads of tests/payloads are what JAX's own serializer makes of the texts beside them."""

import pytest

from tests.tools import payloads


@pytest.mark.parametrize("path", payloads.programs(), ids=lambda path: path.stem)
def test_payload_is_the_program_beside_it(path):
    text = path.read_text()
    assert payloads.as_printed(text) == text
    assert path.with_suffix(".mlirbc").read_bytes() == payloads.payload(text), "run `python -m tests.tools.payloads`"
