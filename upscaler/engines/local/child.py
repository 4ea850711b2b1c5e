"""The child process of the local engine as its parent sees it, see ``worker.py`` for the other side."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any, cast

Message = dict[str, Any]

PROJECT = Path(__file__).resolve().parents[3]
KEPT_VARIABLES = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"),
    *("OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "TBB_MAX_NUM_THREADS"),
)
"""Of the desk's environment, which holds its secrets, the child gets no more than these: it reads strangers' files."""


class Child:
    """One child process, see ``worker.py``, and the thread that reads what it says."""

    def __init__(
        self, threads: int, precision: str, device: str, cache_dir: Path | None, log_format: str = "text"
    ) -> None:
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
        }
        if threads:
            # numpy's and libvips's own threads, on which they decide when they are imported
            environment["OPENBLAS_NUM_THREADS"] = environment["VIPS_CONCURRENCY"] = str(threads)
        command = [sys.executable, "-m", "upscaler.engines.local", f"--threads={threads}", f"--precision={precision}"]
        command += [f"--device={device}", f"--log-format={log_format}"]
        if cache_dir is not None:
            command.append(f"--cache-dir={cache_dir}")
        # A session of its own: Ctrl-C in the terminal is for the parent, which lets a job finish.
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._stdin = cast(IO[str], self._process.stdin)
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(cast(IO[str], self._process.stdout),), daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, message: Message) -> None:
        """A child that is gone is noticed by ``receive``."""
        with contextlib.suppress(OSError):
            self._stdin.write(json.dumps(message) + "\n")
            self._stdin.flush()

    def receive(self, timeout: float) -> Message:
        """The next message. Raises TimeoutError, or EOFError once the child is gone."""
        try:
            message = self._messages.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError from None
        if message is None:
            raise EOFError
        return message

    def kill(self) -> None:
        """End the process, whatever it is doing, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            self._stdin.close()

    def _read(self, lines: IO[str]) -> None:
        with lines, contextlib.suppress(ValueError):
            for line in lines:
                self._messages.put(json.loads(line))
        self._messages.put(None)
