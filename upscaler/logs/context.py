"""The numbers of what is at work in this thread. Every log line and error report carries them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

NAMES = ("request_id", "team_id", "batch_id", "upscale_id")

NOTHING: Mapping[str, object] = MappingProxyType({})
_numbers: ContextVar[Mapping[str, object]] = ContextVar("numbers", default=NOTHING)


def current() -> dict[str, object]:
    """What is at work here, by `NAMES`; what is not known is left out."""
    return dict(_numbers.get())


@contextmanager
def about(**numbers: object) -> Iterator[None]:
    """Within it, lines carry these numbers beside those that they carried before."""
    before = _numbers.set(_with(numbers))
    try:
        yield
    finally:
        _numbers.reset(before)


def add(**numbers: object) -> None:
    """From here to the end of the `about` around it, lines carry these numbers too."""
    _numbers.set(_with(numbers))


def _with(numbers: Mapping[str, object]) -> dict[str, object]:
    if unknown := set(numbers) - set(NAMES):
        raise ValueError(f"no numbers of log lines: {', '.join(sorted(unknown))}")
    return {**_numbers.get(), **{name: number for name, number in numbers.items() if number is not None}}
