"""The server: it has everything loaded that reads pictures, and forks a child for each.

It reads no picture itself, so it stays as it was started, and a child knows of no other stranger's picture. It ends
when its control socket does: then the desk's process is gone.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import signal
import socket
import struct
import sys
import time
import warnings
from dataclasses import dataclass

from defusedxml import ElementTree
from PIL import Image, ImageCms, features

from upscaler.imaging.sandbox import limits, messages, tasks

REQUEST = struct.Struct(">I")
"""On the control socket: for how many seconds at most. With it come a channel and the files as descriptors."""
MAX_DESCRIPTORS = 3
NICENESS = 5
"""Pages come before pictures."""


ENCODINGS = ("ascii", "latin-1", "cp1252", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "mac-roman")
"""Of text in pictures and profiles. Python loads each from a file when it is first met."""


@dataclass
class _Child:
    channel: socket.socket
    deadline: float


def main() -> None:
    """Serve the desk's process until it is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # Ctrl-C and a service's stop are for the desk's process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    warnings.simplefilter("ignore")
    _warm_up()
    limits.confine_server()
    _Server(control).run()


def _warm_up() -> None:
    """What children would each load first: they can open no files any more."""
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    ElementTree.fromstring("<a/>")
    Image.init()
    features.get_supported()
    ImageCms.profileToProfile(
        Image.new("RGB", (1, 1)), ImageCms.createProfile("sRGB"), ImageCms.createProfile("sRGB"), inPlace=True
    )


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _Child] = {}
        self._nothing = os.open(os.devnull, os.O_RDWR)
        # A child's end wakes the loop.
        self._woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        os.set_blocking(self._woken, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)

    def run(self) -> None:
        while True:
            wait = 1.0 if self._children else None
            ready = select.select([self._control.fileno(), self._woken], [], [], wait)[0]
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
            self._reap()
            if self._control.fileno() in ready and not self._accept():
                break
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _accept(self) -> bool:
        """False where the desk's process is gone."""
        request, descriptors, _, _ = socket.recv_fds(self._control, REQUEST.size, MAX_DESCRIPTORS)
        if len(request) < REQUEST.size or len(descriptors) < 2:
            return False
        (seconds,) = REQUEST.unpack(request)
        channel = socket.socket(fileno=descriptors[0])
        pid = os.fork()
        if pid == 0:
            self._be_child(channel, descriptors[1:])
        for descriptor in descriptors[1:]:
            os.close(descriptor)
        self._children[pid] = _Child(channel, time.monotonic() + seconds)
        return True

    def _be_child(self, channel: socket.socket, files: list[int]) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            # Decoders complain of every oddity, and what they say is the stranger's own text.
            for stream in (0, 1, 2):
                os.dup2(self._nothing, stream)
            _close_all_but({0, 1, 2, channel.fileno(), *files})
            tasks.serve(channel, files)
            code = 0
        finally:
            os._exit(code)

    def _reap(self) -> None:
        """Let go of children that have ended, and say how where one could not say it itself."""
        for pid, child in list(self._children.items()):
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if not ended:
                if time.monotonic() > child.deadline:
                    os.kill(pid, signal.SIGKILL)
                continue
            del self._children[pid]
            if status:
                how = {"signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, "memory": False}
                used = {"cpu": usage.ru_utime + usage.ru_stime, "memory": usage.ru_maxrss * 1024}
                with contextlib.suppress(OSError):
                    child.channel.setblocking(False)
                    messages.send(child.channel, {"ended": how, "used": used})
            child.channel.close()


def _close_all_but(kept: set[int]) -> None:
    for descriptor in [int(name) for name in os.listdir("/dev/fd")]:
        if descriptor not in kept:
            with contextlib.suppress(OSError):
                os.close(descriptor)
