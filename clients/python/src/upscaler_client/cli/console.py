"""What people see: lines, one line that changes while something goes on, and questions."""

from __future__ import annotations

import sys
import threading

from upscaler_client.errors import UpscalerError


def counted(number: int, noun: str) -> str:
    """``1 picture``, ``2 pictures``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class Console:
    """Results go to stdout, all else to stderr, so that a script can take what it asked for."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        self._is_quiet = is_quiet
        self._is_live = sys.stderr.isatty()
        self._width = 0
        self._lock = threading.Lock()

    def say(self, text: str) -> None:
        """A line for people."""
        if not self._is_quiet:
            print(text, file=sys.stderr, flush=True)

    def result(self, text: str) -> None:
        """A line of what was asked for."""
        print(text, flush=True)

    def fail(self, text: str) -> None:
        """What went wrong, said in any case."""
        self.end_line()
        print(f"upscaler: {text}", file=sys.stderr, flush=True)

    def line(self, text: str) -> None:
        """How far it is, over what the last call wrote; nothing where nobody looks on."""
        if self._is_quiet or not self._is_live:
            return
        with self._lock:
            print(f"\r{text.ljust(self._width)}", end="", file=sys.stderr, flush=True)
            self._width = len(text)

    def bytes(self, what: str, there: int, of: int | None) -> None:
        """How much of a file is there, in MB."""
        total = f" of {of / 1e6:.1f}" if of else ""
        self.line(f"{what}: {there / 1e6:.1f}{total} MB")

    def end_line(self) -> None:
        """What comes next gets a line of its own."""
        if self._width:
            print(file=sys.stderr, flush=True)
            self._width = 0

    def confirm(self, question: str) -> bool:
        """Ask for a yes. Raises UpscalerError where nobody can answer."""
        if not sys.stdin.isatty():
            raise UpscalerError("Nobody is here to say yes to the cost. Add --yes to order without being asked.")
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")
