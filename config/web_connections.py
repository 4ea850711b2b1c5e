"""What a client sends and is sent, kept until a thread or the client wants it; see `web_worker`."""

from __future__ import annotations

import errno
import json
import os
import re
import selectors
import socket
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

HEAD_SECONDS = 10.0
MAX_HEAD = 65_536
MAX_SMALL_BODY = 65_536
"""Bytes that are received of anybody; `upscaler.request_limits` says who may send more."""
GRACE_SECONDS = 20.0
MIN_RATE = 4_096
"""Bytes in a second that a body has to bring, on the average once `GRACE_SECONDS` are over."""
BODY_SECONDS = 30 * 60.0
STALLED_SECONDS = 120.0
"""A client that takes nothing of its answer for so long is gone."""
MIN_TAKEN = 1_024
"""Bytes in a second that a client has to take, on the average once `STALLED_SECONDS` are over."""
LINGER_SECONDS = 10.0
"""How long what a refused client still sends is thrown away: closed at once, it would never see the answer."""
IN_MEMORY = 131_072
"""Bytes of an answer that wait for a client in memory; more wait in a file."""
ALL_IN_MEMORY = 16_000_000
"""The same of all clients of a process together, who may be a thousand."""
MAX_PENDING = 64_000_000
"""Bytes of an answer that wait for a client; a thread that makes more of it has to wait too."""
CHUNK = 262_144
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
TO_RECEIVE = object()
"""What a thread returns that lets a large body come."""


class Incoming:
    """What a client has sent, as the parser's source. Reading it never waits."""

    def __init__(self, data: bytes = b"") -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=MAX_HEAD + MAX_SMALL_BODY)  # noqa: SIM115
        self._read = 0
        self.size = 0
        self.add(data)

    def add(self, data: bytes) -> None:
        """Take what arrived. Raises OSError where the disk is full."""
        self._file.seek(self.size)
        self._file.write(data)
        self.size += len(data)

    def recv(self, size: int) -> bytes:
        """The next bytes; none where no more are here."""
        self._file.seek(self._read)
        data = self._file.read(min(size, self.size - self._read))
        self._read += len(data)
        return data

    @property
    def has_more(self) -> bool:
        """Whether not all was read."""
        return self._read < self.size

    def close(self) -> None:
        """Give the memory or the file back."""
        self._file.close()


class Memory:
    """Bytes in memory that wait for clients, of all connections together."""

    def __init__(self) -> None:
        self.taken = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Take that many bytes, if there are so many left."""
        with self._lock:
            fits = self.taken + size <= ALL_IN_MEMORY
            self.taken += size if fits else 0
        return fits

    def give_back(self, size: int) -> None:
        """What was taken is free again."""
        with self._lock:
            self.taken -= size


memory = Memory()


def is_too_slow(taken: int, seconds: float) -> bool:
    """Whether a client that took so many bytes in that time only holds its connection."""
    return taken < (seconds - STALLED_SECONDS) * MIN_TAKEN


class Outgoing:
    """A socket that takes answers at once, whatever the client does. `flush` sends what could not be sent yet."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._parts: deque[memoryview | tuple[int, int, int]] = deque()
        """What is to be sent: bytes, or a file's descriptor, offset and count of bytes."""
        self._kept: Any = None
        """The file of what did not go at once."""
        self._last = -1
        """The descriptor of the newest part that lies in it."""
        self.pending = 0
        self._failure: OSError | None = None
        """Why no more of the answer can be sent."""
        self.is_api = False
        """Whether a program waits for the answer."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    def sendall(self, data: bytes) -> None:
        """Send what goes, keep the rest. Raises OSError where the client is gone."""
        if not self.pending:
            with suppress(BlockingIOError):
                data = data[self._socket.send(data) :]
        if data:
            self._keep(data)

    send = sendall

    def sendfile(self, file: Any, offset: int = 0, count: int = 0) -> None:
        """Send a file; what does not go at once is read from it later."""
        self._parts.append((os.dup(file.fileno()), offset, count))
        self._last = -1
        self.pending += count
        self.flush()

    def _keep(self, data: bytes) -> None:
        # A page is larger than what a socket takes at first, and quicker kept here than in a file.
        if self._kept is None and self.pending + len(data) <= IN_MEMORY and memory.take(len(data)):
            self._parts.append(memoryview(data))
            self.pending += len(data)
            return
        if self._kept is None:
            self._kept = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        offset = self._kept.seek(0, os.SEEK_END)
        self._kept.write(data)
        self.pending += len(data)
        last = self._parts[-1] if self._parts else None
        if isinstance(last, tuple) and last[:2] == (self._last, offset - last[2]):
            self._parts[-1] = (self._last, last[1], last[2] + len(data))
        else:
            self._last = os.dup(self._kept.fileno())
            self._parts.append((self._last, offset, len(data)))
        began, before = time.monotonic(), self.pending
        while self.pending > MAX_PENDING:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_WRITE)
                if not selector.select(STALLED_SECONDS):
                    raise TimeoutError("the client does not take its answer")
            self.flush()
            if is_too_slow(before - self.pending, time.monotonic() - began):
                raise TimeoutError("the client takes its answer too slowly")

    def flush(self) -> None:
        """Send what goes now. Raises OSError where the client is gone, now or before."""
        if self._failure is not None:
            # Whoever heard of it first may have kept it to themselves. The socket of a client that is gone says again
            # and again that it is ready.
            raise self._failure
        try:
            while self._parts:
                part = self._parts.popleft()
                left = self._send_bytes(part) if isinstance(part, memoryview) else self._send_file(*part)
                if left is not None:
                    self._parts.appendleft(left)
                    return
        except OSError as error:
            self._failure = error
            raise
        self._forget()

    def _send_bytes(self, data: memoryview) -> memoryview | None:
        """What is left of them; None for nothing."""
        left = None
        try:
            sent = self._socket.send(data)
            self.pending -= sent
            if sent < len(data):
                left = data[sent:]
        except BlockingIOError:
            left = data
        finally:
            if left is None:
                _give_back(data)
        return left

    def _send_file(self, file: int, offset: int, count: int) -> tuple[int, int, int] | None:
        """What is left of that part of it, whose descriptor is closed after the last of it; None for nothing."""
        left = None
        try:
            sent = os.sendfile(self._socket.fileno(), file, offset, count) if count else 0
            self.pending -= sent
            if 0 < sent < count:
                left = (file, offset + sent, count - sent)
            elif sent < count:
                # Nothing sent of a file that should have more: it was cut, and the answer's end never comes.
                raise OSError(errno.EIO, "a file that is being sent became shorter")
        except BlockingIOError:
            left = (file, offset, count)
        finally:
            if left is None:
                os.close(file)
        return left

    def close(self) -> None:
        """Close the socket, and forget what waits."""
        self._forget()
        while self._parts:
            part = self._parts.popleft()
            if isinstance(part, tuple):
                os.close(part[0])
            else:
                _give_back(part)
        self._socket.close()

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


def _give_back(part: memoryview) -> None:
    # Of what was sent in part the whole is held to the end.
    memory.give_back(memoryview(part.obj).nbytes)


class Parser(RequestParser):
    """gunicorn's parser, which can give a request once more after its body has come."""

    held: Any = None

    def __next__(self) -> Any:
        held, self.held = self.held, None
        return held or super().__next__()


class Connection(TConn):
    """One client, and how far its request is."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.sock: Any = Outgoing(sock)
        self.data_ready = True
        self.await_request(b"")
        self.await_taking()

    def await_request(self, data: bytes) -> None:
        """Begin a request, of which ``data`` has come already."""
        self.incoming = Incoming()
        self.parser = Parser(self.cfg, self.incoming, self.client)
        self.head = bytearray()
        self.wanted = 0
        """Bytes of the whole request; 0 while that is not known."""
        self.is_large = False
        self.since = time.monotonic()
        self.body_since = 0.0
        self.take(data)

    def init(self) -> None:
        """The parser is there from the first."""
        self.initialized = True

    def take(self, data: bytes) -> None:
        """Keep what arrived, and look for the end of the head."""
        self.incoming.add(data)
        if self.wanted:
            return
        searched = max(0, len(self.head) - 3)
        self.head += data
        end = self.head.find(b"\r\n\r\n", searched)
        if end < 0:
            return
        del self.head[end + 2 :]
        length = _field(self.head, b"content-length")
        # Of one that is not digits gunicorn says what is wrong.
        content = int(length) if re.fullmatch(rb"\d{1,18}", length) else 0
        self.wanted = end + 4 + content
        self.sock.is_api = self.path.startswith("/api/")
        self.is_large = content > MAX_SMALL_BODY
        self.body_since = time.monotonic()

    def await_taking(self) -> None:
        """Begin to wait for the client to take what is left of its answer."""
        self.taking_since = time.monotonic()
        self.untaken = self.sock.pending

    def takes_too_slowly(self, now: float) -> bool:
        """Whether the client takes so little that it only holds the connection."""
        return is_too_slow(self.untaken - self.sock.pending, now - self.taking_since)

    @property
    def has_more(self) -> bool:
        """Whether more has come than the request that was read."""
        return self.incoming.has_more or bool(self.parser.unreader.buf.getvalue())

    @property
    def path(self) -> str:
        """The address that the request names, as far as it is here."""
        return [*bytes(self.head).split(b" ", 2), b""][1].decode("latin-1")

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits to be told to send its body."""
        return _field(self.head, b"expect").lower() == b"100-continue" and b"HTTP/1.0\r\n" not in self.head

    def why_too_slow(self, now: float) -> str:
        """A sentence about a request that does not come; empty where it has time."""
        if not self.wanted:
            return (
                f"The head of the request did not come within {HEAD_SECONDS:.0f} seconds."
                if now - self.since > HEAD_SECONDS
                else ""
            )
        seconds = now - self.body_since
        came = self.incoming.size - len(self.head)
        if seconds > BODY_SECONDS or (seconds > GRACE_SECONDS and came < (seconds - GRACE_SECONDS) * MIN_RATE):
            return (
                f"The body came too slowly: it needs {MIN_RATE / 1024:.0f} kB a second and may take "
                f"{BODY_SECONDS / 60:.0f} minutes. Try a better connection, or send less at once."
            )
        return ""


def _field(head: bytearray, name: bytes) -> bytes:
    found = re.search(rb"(?im)^" + name + rb":[ \t]*([^\r\n]*?)[ \t]*\r$", head)
    return found[1] if found else b""


def answer_of(status: HTTPStatus, sentence: str, *, is_api: bool) -> bytes:
    """A whole HTTP answer, as JSON in the contract's shape for the API, as plain text else."""
    body = (json.dumps({"detail": sentence}) if is_api else f"{sentence}\n").encode()
    kind = "application/json" if is_api else "text/plain; charset=utf-8"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nCache-Control: no-store\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Caught:
    """A socket that keeps what gunicorn would answer."""

    def __init__(self) -> None:
        self.data = b""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.data += data
