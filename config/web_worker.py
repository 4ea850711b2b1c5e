"""gunicorn's worker with threads, for connections that take their time.

gunicorn's own gives a connection a thread from its first byte to its last, so a handful of slow ones take them all.
Here the loop of the process receives and sends, and a thread only works:

::

    accept ─► head ─► small body ──────────────────► thread ─► answer ─► keep or close
                └──► large: thread asks the desk ─► body ┘  └► refused ─► answer ─► close
                            whether it may come

A head, a body and an answer have their time; what takes longer is ended. Only a request that is here whole gets a
thread, and what a client does not read at once leaves its thread. gunicorn reads each request's head and decides where
it ends; what is seen of it here only says how long to wait.
"""

from __future__ import annotations

import errno
import json
import os
import re
import selectors
import socket
import tempfile
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

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
LINGER_SECONDS = 10.0
"""How long what a refused client still sends is thrown away: closed at once, it would never see the answer."""
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

    def close(self) -> None:
        """Give the memory or the file back."""
        self._file.close()


class Outgoing:
    """A socket that takes answers at once, whatever the client does. `flush` sends what could not be sent yet."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._parts: deque[tuple[int, int, int]] = deque()
        """What is to be sent: a file's descriptor, offset and count of bytes."""
        self._kept: Any = None
        """The file of what did not go at once."""
        self._last = -1
        """The descriptor of the newest part that lies in it."""
        self.pending = 0
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
        if self._kept is None:
            self._kept = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        offset = self._kept.seek(0, os.SEEK_END)
        self._kept.write(data)
        self.pending += len(data)
        if self._parts and self._parts[-1][:2] == (self._last, offset - self._parts[-1][2]):
            self._parts[-1] = (self._last, self._parts[-1][1], self._parts[-1][2] + len(data))
        else:
            self._last = os.dup(self._kept.fileno())
            self._parts.append((self._last, offset, len(data)))
        while self.pending > MAX_PENDING:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_WRITE)
                if not selector.select(STALLED_SECONDS):
                    raise TimeoutError("the client does not take its answer")
            self.flush()

    def flush(self) -> None:
        """Send what goes now. Raises OSError where the client is gone."""
        while self._parts:
            file, offset, count = self._parts.popleft()
            try:
                sent = os.sendfile(self._socket.fileno(), file, offset, count) if count else 0
            except BlockingIOError:
                self._parts.appendleft((file, offset, count))
                return
            except OSError:
                os.close(file)
                raise
            self.pending -= sent
            if 0 < sent < count:
                self._parts.appendleft((file, offset + sent, count - sent))
            else:
                # Nothing sent of a file that should have more: it was cut, and the answer's end never comes.
                os.close(file)
                if sent < count:
                    raise OSError(errno.EIO, "a file that is being sent became shorter")
        self._forget()

    def close(self) -> None:
        """Close the socket, and forget what waits."""
        self._forget()
        while self._parts:
            os.close(self._parts.popleft()[0])
        self._socket.close()

    def _forget(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None


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


def _answer_of(status: HTTPStatus, sentence: str, *, is_api: bool) -> bytes:
    body = (json.dumps({"detail": sentence}) if is_api else f"{sentence}\n").encode()
    kind = "application/json" if is_api else "text/plain; charset=utf-8"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nConnection: close\r\nCache-Control: no-store\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Caught:
    """A socket that keeps what gunicorn would answer."""

    def __init__(self) -> None:
        self.data = b""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.data += data


class Worker(ThreadWorker):
    """The worker that `config/gunicorn.py` names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.watched: dict[Connection, tuple[str, float]] = {}
        """What each connection that has no thread is about, and since when nothing came of it."""

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection; it gets no thread yet."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        self.nr_conns += 1
        self._watch(Connection(self.cfg, sock, client, listener.getsockname()), "receive")

    # --- In the loop ------------------------------------------------------------------------------

    def _watch(self, conn: Connection, what: str) -> None:
        events = selectors.EVENT_WRITE if what == "send" else selectors.EVENT_READ
        self.watched[conn] = (what, time.monotonic())
        self.poller.register(conn.sock, events, partial(self._ready, conn))

    def _unwatch(self, conn: Connection) -> None:
        if self.watched.pop(conn, None):
            self.poller.unregister(conn.sock)

    def _ready(self, conn: Connection, _sock: Any) -> None:
        what, _ = self.watched[conn]
        try:
            if what == "send":
                self._send(conn)
            else:
                self._receive(conn, what)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(conn)

    def _receive(self, conn: Connection, what: str) -> None:
        # No more than this request, where its end is known: the rest has to wait for its turn.
        left = conn.wanted - conn.incoming.size if conn.wanted and what == "receive" else CHUNK
        data = conn.sock.recv(min(CHUNK, max(1, left)))
        if what == "linger":
            if not data:
                self._drop(conn)
            return
        if not data:
            if conn.wanted:
                self._answer(conn, HTTPStatus.BAD_REQUEST, "The body ended before the length that was announced.")
            else:
                self._drop(conn)
            return
        if what == "idle":
            conn.since = time.monotonic()
        self._unwatch(conn)
        try:
            conn.take(data)
        except OSError:
            self.log.exception("a request could not be kept")
            sentence = "The desk has no room for this at the moment. Nothing was charged; try again in a while."
            self._answer(conn, HTTPStatus.SERVICE_UNAVAILABLE, sentence)
            return
        self._go_on(conn)

    def _go_on(self, conn: Connection) -> None:
        """Give the request a thread if it is ready for one, or wait for more of it."""
        is_asked = conn.parser.held is not None
        if not conn.wanted:
            if len(conn.head) > MAX_HEAD:
                sentence = f"The head of the request is larger than {MAX_HEAD:,} bytes."
                self._answer(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)
                return
        elif conn.incoming.size >= conn.wanted or (conn.is_large and not is_asked):
            self.enqueue_req(conn)
            return
        elif not is_asked and conn.expects_continue:
            conn.sock.sendall(CONTINUE)
        self._watch(conn, "receive")

    def finish_request(self, conn: Connection, fs: Future[Any]) -> None:
        """What a thread did with a connection is done."""
        try:
            result = fs.result() if not fs.cancelled() else False
            if result is TO_RECEIVE:
                conn.body_since = time.monotonic()
                self._go_on(conn)
                return
            conn.keep = bool(result)
            self._send(conn)
        except Exception:
            self._drop(conn)

    def _answer(self, conn: Connection, status: HTTPStatus, sentence: str) -> None:
        """Answer without a thread, and close."""
        self._unwatch(conn)
        conn.keep = False
        try:
            conn.sock.sendall(_answer_of(status, sentence, is_api=conn.sock.is_api))
            self._send(conn)
        except OSError:
            self._drop(conn)

    def _send(self, conn: Connection) -> None:
        """Send what is left of the answer; then keep the connection, or close it."""
        left = conn.sock.pending
        conn.sock.flush()
        if conn.sock.pending:
            if conn not in self.watched:
                self._watch(conn, "send")
            elif conn.sock.pending < left:
                self.watched[conn] = ("send", time.monotonic())
            return
        self._unwatch(conn)
        if not conn.keep:
            conn.incoming.close()
            conn.sock.shutdown(socket.SHUT_WR)
            self._watch(conn, "linger")
            return
        data = conn.parser.unreader.take_buffered() + conn.incoming.recv(conn.incoming.size)
        conn.incoming.close()
        conn.await_request(data)
        if data:
            self._go_on(conn)
        else:
            self._watch(conn, "idle")

    def _drop(self, conn: Connection) -> None:
        self._unwatch(conn)
        self.nr_conns -= 1
        conn.incoming.close()
        util.close(conn.sock)

    def murder_pending(self) -> None:
        """End what takes too long; gunicorn calls it every second."""
        now = time.monotonic()
        patience = {"linger": LINGER_SECONDS, "send": STALLED_SECONDS, "idle": float(self.cfg.keepalive)}
        for conn, (what, since) in list(self.watched.items()):
            if what != "receive":
                if now - since > patience[what]:
                    self._drop(conn)
            elif sentence := conn.why_too_slow(now):
                self._answer(conn, HTTPStatus.REQUEST_TIMEOUT, sentence)

    # --- In a thread ------------------------------------------------------------------------------

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Let a large body come, or answer the request."""
        # It was told to go on already, or is told below.
        req._expected_100_continue = False
        if conn.incoming.size < conn.wanted:
            if self._may_send(req, conn):
                conn.parser.held = req
                if conn.expects_continue:
                    conn.sock.sendall(CONTINUE)
                return TO_RECEIVE
            req.force_close()
        elif any(name == "TRANSFER-ENCODING" for name, _ in req.headers):
            # Where it ends is not known here, and the desk refuses it without reading on.
            req.force_close()
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what is no request, in the shape that the address has; gunicorn knows the status."""
        caught = _Caught()
        super().handle_error(req, caught, addr, exc)
        status = HTTPStatus(int(caught.data.split(b" ", 2)[1]))
        if status is HTTPStatus.NOT_IMPLEMENTED:
            # It is the client's to mend, like a body in chunks.
            status, sentence = HTTPStatus.LENGTH_REQUIRED, "Send the body as it is, with a Content-Length."
        elif status < HTTPStatus.INTERNAL_SERVER_ERROR:
            sentence = f"This is no request that the desk can read: {exc}"
        else:
            sentence = "Something went wrong on our side. Look at what you have ordered before you send it again."
        with suppress(OSError):
            client.sendall(_answer_of(status, sentence, is_api=getattr(client, "is_api", False)))

    def _keepalive_after(self, conn: Connection, keepalive: Any) -> Any:
        return keepalive if keepalive is TO_RECEIVE else super()._keepalive_after(conn, keepalive)

    def _may_send(self, req: Any, conn: Connection) -> bool:
        # These can be imported only once gunicorn has set the desk up.
        from django.db import close_old_connections

        from upscaler.request_limits import may_send

        close_old_connections()
        try:
            _, environ = wsgi.create(req, conn.sock, conn.client, conn.server, self.cfg)
            return may_send(environ)
        except Exception:
            self.log.exception("it can't be told whether a body is taken")
            return False
        finally:
            close_old_connections()
