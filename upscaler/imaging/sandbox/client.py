"""The desk's side: one server for each of its processes, started when the first picture comes, and never forked."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from upscaler.imaging.sandbox import messages
from upscaler.imaging.sandbox.limits import Limits
from upscaler.imaging.sandbox.messages import Message
from upscaler.imaging.sandbox.server import REQUEST

PROJECT = Path(__file__).resolve().parents[3]
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the desk's environment, which holds its secrets, a process that reads pictures gets no more than these."""
GRACE = 15
"""Seconds beyond a child's own limit after which an answer is waited for no more."""


class Stopped(Exception):
    """The process that read the picture was ended, by its limits or by its own fault."""

    def __init__(self, how: str, used: dict[str, float] | None = None) -> None:
        """``used``: seconds of CPU and bytes of memory that it had taken, where that is known."""
        super().__init__(how)
        self.used = used or {}


class ServerGone(Exception):
    """The server ended while it was needed, which no picture can bring about."""


def read(
    task: str, file: IO[bytes], options: dict[str, Any], *, limits: Limits, target: IO[bytes] | None = None
) -> tuple[Message, list[bytes]]:
    """Have one picture read by a process with ``limits``: its answer, and the bytes that belong to it.

    ``task``: see `tasks.TASKS`. ``file``: anything that can be read; ``target``: an open file that the task writes.
    Raises Stopped, ServerGone and OSError.
    """
    with contextlib.ExitStack() as opened:
        descriptors = [opened.enter_context(_read_only(file)).fileno()]
        if target is not None:
            descriptors.append(target.fileno())
        for is_last_try in (False, True):
            try:
                return _ask(task, descriptors, options, limits)
            except ServerGone:
                if is_last_try:
                    raise
    raise AssertionError("unreachable")


def _ask(task: str, descriptors: list[int], options: dict[str, Any], limits: Limits) -> tuple[Message, list[bytes]]:
    own, theirs = socket.socketpair()
    with own:
        with theirs:
            _pool.hand_over([theirs.fileno(), *descriptors], limits.wall_seconds)
        own.settimeout(limits.wall_seconds + GRACE)
        try:
            messages.send(own, {"task": task, "options": options, "limits": vars(limits)})
            answer, following = messages.receive(own)
        except (EOFError, ConnectionError):
            # A child that ends is told of by the server; only the server's own end is without a word.
            raise ServerGone from None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise Stopped("no answer that can be read") from error
    if "ended" in answer:
        raise Stopped(f"{answer['ended']}, used {answer['used']}", answer["used"])
    return answer, following


def _read_only(file: IO[bytes]) -> IO[bytes]:
    """The same bytes with a position of their own, not to be written; from memory by way of a file without a name."""
    try:
        descriptor = file.fileno()
    except (OSError, AttributeError):
        return _copied(file)
    try:
        return open(f"/proc/self/fd/{descriptor}", "rb")
    except OSError:
        return os.fdopen(os.dup(descriptor), "rb")


def _copied(file: IO[bytes]) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    at = file.tell()
    file.seek(0)
    for block in iter(lambda: file.read(1 << 20), b""):
        copy.write(block)
    file.seek(at)
    copy.flush()
    copy.seek(0)
    return copy


class _Pool:
    """The server of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def hand_over(self, descriptors: list[int], seconds: int) -> None:
        """Raises OSError where no server can be started."""
        with self._lock:
            for _ in range(2):
                control = self._running()
                try:
                    socket.send_fds(control, [REQUEST.pack(seconds)], descriptors)
                    return
                except (BrokenPipeError, ConnectionError):
                    self._drop()
        raise ServerGone

    def server_pid(self) -> int | None:
        """The server's process, None where there is none."""
        return self._process.pid if self._process else None

    def forget(self) -> None:
        """In a forked process: the server is the parent's."""
        if self._control is not None:
            self._control.close()
        self.__init__()  # type: ignore[misc]

    def _running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._drop()
        if self._control is None:
            self._control, theirs = socket.socketpair()
            with theirs:
                # By exec and not by fork: this process has threads, and libvips hangs in a copy of one that used it.
                self._process = subprocess.Popen(  # noqa: S603 - our own command line
                    [sys.executable, "-m", "upscaler.imaging.sandbox", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    env=environment(),
                    cwd="/",
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        return self._control

    def _drop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None


def environment() -> dict[str, str]:
    """Of a process that reads strangers' files: nothing that is the desk's own business.

    One thread for libvips and numpy: several would not be forked, and a picture is to take one core at most.
    """
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
        "OPENBLAS_NUM_THREADS": "1",
        "VIPS_CONCURRENCY": "1",
        # Else it puts large pictures into a temporary file, which a child can't open.
        "VIPS_DISC_THRESHOLD": "100g",
        "MALLOC_ARENA_MAX": "2",
    }


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.forget)
