"""What a call is made of before anything is sent: requests, answers and the steps between them.

No module but `client` and `aio` opens a connection. All others are generators that ask for a step and are given what
came of it, so that both share every rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Picture:
    """A picture that is in memory, with the name that it shall have."""

    content: bytes
    name: str


@dataclass(frozen=True)
class Request:
    """One request. ``path`` is below the API's address, or a whole address."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    """Sent as JSON."""
    form: Mapping[str, str] = field(default_factory=dict)
    file: Path | Picture | None = None
    """Sent as the field ``file`` of a multipart form."""
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str = ""
    """The Idempotency-Key."""
    spends: bool = False
    """Whether it would cost again, were it done twice."""
    waits: float = 0
    """Seconds that the desk may take on top, because it was asked to."""


@dataclass(frozen=True)
class Answer:
    """What the other side said. Names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""

    def json(self) -> Any:
        """The content, or None where it is no JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None


@dataclass(frozen=True)
class Lost:
    """There was no answer, or no whole one. ``was_sent``: whether the request may have been done all the same."""

    reason: str
    was_sent: bool


class Target(Protocol):
    """Where a download goes; see `downloads.PartFile`."""

    @property
    def size(self) -> int:
        """Bytes that are there."""

    def headers(self) -> dict[str, str]:
        """Those that ask for what is missing."""

    def begin(self, answer: Answer) -> bool:
        """Whether the answer is the file, so that its bytes are to be written."""

    def write(self, chunk: bytes) -> None:
        """Add these bytes."""

    def end(self) -> None:
        """Close the file, whole or not."""

    def is_whole(self) -> bool:
        """Whether as many bytes came as were announced."""


@dataclass(frozen=True)
class Fetch:
    """A request whose answer goes to a file."""

    request: Request
    target: Target


@dataclass(frozen=True)
class Pause:
    """Nothing for so many seconds."""

    seconds: float


Step: TypeAlias = Request | Fetch | Pause
Operation: TypeAlias = Generator[Step, Answer | None, T]
"""A call of the API. It is given answers that are no errors; these are thrown into it."""
Steps: TypeAlias = Generator[Step, Answer | Lost | None, T]
"""A call with its retries, as the transports run it."""
OnBytes: TypeAlias = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many where that is known."""


def ask(request: Request | Fetch) -> Operation[Answer]:
    """The answer to one request."""
    answer = yield request
    if answer is None:
        raise RuntimeError("a request needs an answer")
    return answer
