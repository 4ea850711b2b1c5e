"""What tests ask of an error that people are shown."""

from __future__ import annotations

from collections.abc import Callable

from upscaler.errors import PublicError


def with_code(code: str) -> Callable[[PublicError], bool]:
    """For the ``check`` of `pytest.raises`."""
    return lambda error: error.code == code
