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
import logging
import resource
import selectors
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from config import web_connections
from config.web_connections import Caught, Connection, answer_of
from config.web_limiter import Limiter
from upscaler import no_room

logger = logging.getLogger(__name__)

FILES_EACH = 4
"""What a connection may hold open: its socket, and files that its answer lies in."""
FILES_BESIDE = 256
"""What its threads may hold open beside: databases, pictures."""
NO_FILE_LEFT = (errno.EMFILE, errno.ENFILE)
NO_FILE_SECONDS = 0.05
"""How long the loop then rests: the connection that waits would wake it at once."""
ACCEPT_PAUSE_SECONDS = 0.001
"""How long a process that took a connection lets the others take the next, once it has `ACCEPTED_AT_ONCE`."""
ACCEPTED_AT_ONCE = 4
CROWDED_SECONDS = 2
"""How long a connection may be idle where half of those that a process takes are open."""
NOT_KEPT = "The desk could not take this in just now. Nothing was charged; try again in a while."


class Worker(ThreadWorker):
    """The worker that `config/gunicorn.py` names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.watched: dict[Connection, tuple[str, float]] = {}
        """What each connection that has no thread is about, and since when nothing came of it."""
        self.stopping_since = 0.0
        self.accept_after = 0.0
        """Until when other processes may take a new connection first."""

    def init_process(self) -> None:
        """Begin to serve."""
        self.worker_connections = connections_with_files(self.cfg.worker_connections)
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """The threads, and how many of them work at once."""
        threads = super().get_thread_pool()
        self.limiter = Limiter(threads, self._work)
        return threads

    def enqueue_req(self, conn: Connection) -> None:
        """A request is here whole."""
        self.limiter.add(conn)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections or not; gunicorn asks in each round of the loop for what it has not got."""
        super().set_accept_enabled(enabled and time.monotonic() >= self.accept_after)
        if not self.alive:
            # It asks once more as the process begins to stop.
            self._take_last()

    def _take_last(self) -> None:
        """Take what waits to be accepted, and let nobody wait who would be cut off in the end without an answer."""
        for listener in self.sockets:
            before = -1
            while before < self.nr_conns < self.worker_connections:
                before = self.nr_conns
                self.accept(listener)
            listener.close()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """One round of the loop."""
        timeout = min(timeout, self.limiter.seconds_to_next())
        if (pause := self.accept_after - time.monotonic()) > 0:
            timeout = min(timeout, pause)
        super().wait_for_and_dispatch_events(timeout)
        self.limiter.begin()

    def accept(self, listener: socket.socket) -> None:
        """Take a new connection; it gets no thread yet."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in NO_FILE_LEFT:
                # Raised, it would end the process and all that it answers.
                time.sleep(NO_FILE_SECONDS)
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED):
                raise
            return
        self.nr_conns += 1
        self._watch(Connection(self.cfg, sock, client, listener.getsockname()), "receive")
        if self.cfg.workers > 1 and self.nr_conns >= ACCEPTED_AT_ONCE:
            # Connections are kept. Whoever woke first would take all that come at one time, and have all their work.
            self.accept_after = time.monotonic() + ACCEPT_PAUSE_SECONDS
            super().set_accept_enabled(False)

    # --- In the loop ------------------------------------------------------------------------------

    def _watch(self, conn: Connection, what: str) -> None:
        """Wait for the connection. As soon as it is registered the loop may go on with it, beside the thread that
        did so."""
        if what == "send":
            conn.await_taking()
        events = selectors.EVENT_WRITE if what == "send" else selectors.EVENT_READ
        self.watched[conn] = (what, time.monotonic())
        try:
            self.poller.register(conn.sock, events, partial(self._ready, conn))
        except BaseException:
            del self.watched[conn]
            raise

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
        left = conn.wanted - conn.incoming.size if conn.wanted and what == "receive" else web_connections.CHUNK
        data = conn.sock.recv(min(web_connections.CHUNK, max(1, left)))
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
        except OSError as error:
            sentence = no_room.sentence(error, NOT_KEPT, logger=logger, doing="a request could not be kept")
            self._answer(conn, HTTPStatus.SERVICE_UNAVAILABLE, sentence)
            return
        self._go_on(conn)

    def _go_on(self, conn: Connection) -> None:
        """Give the request a thread if it is ready for one, or wait for more of it."""
        is_asked = conn.parser.held is not None
        if not conn.wanted:
            if len(conn.head) > web_connections.MAX_HEAD:
                sentence = f"The head of the request is larger than {web_connections.MAX_HEAD:,} bytes."
                self._answer(conn, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, sentence)
                return
        elif conn.incoming.size >= conn.wanted or (conn.is_large and not is_asked):
            self.enqueue_req(conn)
            return
        elif not is_asked and conn.expects_continue:
            conn.sock.sendall(web_connections.CONTINUE)
        self._watch(conn, "receive")

    def finish_request(self, conn: Connection, result: Any) -> None:
        """What a thread did with a connection is done."""
        try:
            if result is web_connections.TO_RECEIVE:
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
            conn.sock.sendall(answer_of(status, sentence, is_api=conn.sock.is_api))
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
        self._keep(conn)

    def _keep(self, conn: Connection) -> None:
        """Wait for the connection's next request, some of which may have come."""
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
        patience = {
            "linger": web_connections.LINGER_SECONDS,
            "send": web_connections.STALLED_SECONDS,
            "idle": float(self.cfg.keepalive if self.nr_conns <= self.worker_connections // 2 else CROWDED_SECONDS),
        }
        if not self.alive:
            self.stopping_since = self.stopping_since or now
            patience["linger"] = STOP_KEEPALIVE_LINGER
        # A copy is made in one go; while a list of the items grows, a thread may add another.
        for conn, (what, since) in self.watched.copy().items():
            is_unused = what == "idle" or (what == "receive" and not conn.incoming.size)
            if not self.alive and is_unused and now - self.stopping_since > STOP_KEEPALIVE_LINGER:
                # gunicorn waits for every connection that is open, and a browser opens some before it needs them.
                self._drop(conn)
            elif what != "receive":
                if now - since > patience[what] or (what == "send" and conn.takes_too_slowly(now)):
                    self._drop(conn)
            elif sentence := conn.why_too_slow(now):
                self._answer(conn, HTTPStatus.REQUEST_TIMEOUT, sentence)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: end once all requests are answered, those that wait for an end at once."""
        _answer_waiting()
        super().handle_exit(sig, frame)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """SIGINT and SIGQUIT: end now. The threads are waited for all the same."""
        _answer_waiting()
        super().handle_quit(sig, frame)

    # --- In a thread ------------------------------------------------------------------------------

    def _work(self, conn: Connection) -> None:
        result: Any = False
        try:
            result = self.handle(conn)
            # Most answers are taken at once, and nothing else has come. To wake the loop for them would take as long
            # as a poll.
            if result is True and self.alive and not conn.sock.pending and not conn.has_more:
                self._keep(conn)
                return
        except BaseException:
            self.log.exception("a connection can't be kept")
            result = False
        self.method_queue.defer(self.finish_request, conn, result)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Let a large body come, or answer the request."""
        # It was told to go on already, or is told below.
        req._expected_100_continue = False
        if conn.incoming.size < conn.wanted:
            if self._may_send(req, conn):
                conn.parser.held = req
                if conn.expects_continue:
                    conn.sock.sendall(web_connections.CONTINUE)
                return web_connections.TO_RECEIVE
            req.force_close()
        elif any(name == "TRANSFER-ENCODING" for name, _ in req.headers):
            # Where it ends is not known here, and the desk refuses it without reading on.
            req.force_close()
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what is no request, in the shape that the address has; gunicorn knows the status."""
        caught = Caught()
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
            client.sendall(answer_of(status, sentence, is_api=getattr(client, "is_api", False)))

    def _keepalive_after(self, conn: Connection, keepalive: Any) -> Any:
        return keepalive if keepalive is web_connections.TO_RECEIVE else super()._keepalive_after(conn, keepalive)

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


def connections_with_files(wanted: int) -> int:
    """How many of the ``wanted`` connections a process has files for, once it may open as many as the system lets it.

    Many systems let a process open 1,024 at first, for programs that can tell no more of them apart.
    """
    needed = FILES_EACH * wanted + FILES_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    return max(1, (soft - FILES_BESIDE) // FILES_EACH)


def _answer_waiting() -> None:
    # A signal's handler imports nothing: while the module is not there, no request waits.
    if (waiting := sys.modules.get("upscaler.api.waiting")) is not None:
        waiting.stop()
