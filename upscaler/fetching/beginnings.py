"""How many files of the web begin: as much of each as is needed, by ranged requests where the server knows them
(RFC 9110, 14). Guarded as whole downloads are."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from upscaler.fetching import addresses, connections, failures, judging, share_links
from upscaler.fetching.connections import chunks, run_with_deadline

CONNECT_TIMEOUT = 10
READ_TIMEOUT = 15
MAX_IDLE = 8
"""Connections that are kept open to one host."""

_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)")


@dataclass(frozen=True)
class Beginning:
    """How a file begins."""

    content: bytes
    size: int | None
    """Bytes of the whole file, where its host says so."""
    content_type: str
    """What its host calls it."""
    is_whole: bool
    """Whether there is no more of it."""


@dataclass
class _Asked:
    place: str
    first_host: str
    first: int
    needed: Callable[[bytes], int]
    most: int
    deadline: float

    @property
    def host(self) -> str:
        return urlsplit(self.place).hostname or ""


class Visitor:
    """Asks hosts for the beginnings of files. Many threads may do so at once; connections stay open between."""

    def __init__(self, user_agent: str, *, accept: str = "image/*") -> None:
        self._headers = {"User-Agent": user_agent, "Accept": accept, "Accept-Encoding": "identity"}
        self._lock = threading.Lock()
        self._idle: dict[str, list[requests.Session]] = {}
        self.requests = 0
        """That were sent."""
        self.bytes = 0
        """Of bodies that were read."""

    def read(self, url: str, *, first: int, needed: Callable[[bytes], int], most: int, deadline: float) -> Beginning:
        """How the file at ``url`` begins.

        ``first``: bytes to ask for at once. ``needed``: how many there must be in all, told from what has come; 0 when
        that is enough. No more than ``most`` are read. ``deadline``: of the monotonic clock. Raises PublicError as
        `fetching.fetch` does.
        """
        normal = share_links.direct(addresses.checked(url, max_length=addresses.MAX_SIGNED_URL_LENGTH))
        asked = _Asked(normal, urlsplit(normal).hostname or "", first, needed, most, deadline)
        with failures.in_words(lambda: asked.host):
            return run_with_deadline(deadline, lambda: self._follow(asked))

    def close(self) -> None:
        """End the connections that are kept open."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for session in (session for sessions in idle.values() for session in sessions):
            session.close()

    def _follow(self, asked: _Asked) -> Beginning:
        content, redirects = b"", 0
        start, end = 0, asked.first
        while True:
            with self._session(asked.place) as session, closing(self._ask(session, asked, start, end)) as answer:
                if answer.is_redirect:
                    redirects += 1
                    if redirects > failures.MAX_REDIRECTS:
                        raise failures.too_many_redirects()
                    asked.place = addresses.next_place(asked.place, answer.headers["Location"])
                    continue
                if not judging.is_answer(answer):
                    raise judging.refusal(
                        answer,
                        connections.error_text(answer, asked.deadline, judging.MAX_ERROR_BYTES),
                        asked.first_host,
                    )
                is_part = answer.status_code == requests.codes.partial_content
                begin, size = _part(answer)
                if begin != start:
                    # All of it once more, or something else than what was asked for.
                    content, start = (b"", 0) if begin == 0 else (content, start)
                    if begin:
                        raise requests.ConnectionError("another part than was asked for")
                content, is_over = self._take(answer, asked, content, end if is_part else 0)
                is_whole = (size is not None and len(content) >= size) or (is_over and not is_part)
                needed = asked.needed(content)
                if not needed or is_whole or len(content) >= asked.most or len(content) <= start:
                    return Beginning(content, size, answer.headers.get("Content-Type", "")[:200], is_whole)
                # More than that, so that few requests are needed whatever else comes first.
                start, end = len(content), min(asked.most, max(needed, 4 * len(content)))

    def _take(self, answer: requests.Response, asked: _Asked, content: bytes, end: int) -> tuple[bytes, bool]:
        """``content`` and what the answer adds, up to the byte ``end`` or until it is enough; whether it is over."""
        before = len(content)
        try:
            for chunk in chunks(answer, asked.deadline):
                content += chunk
                if len(content) >= asked.most or (len(content) > end if end else not asked.needed(content)):
                    return content, False
            return content, True
        finally:
            with self._lock:
                self.bytes += len(content) - before

    def _ask(self, session: requests.Session, asked: _Asked, start: int, end: int) -> requests.Response:
        with self._lock:
            self.requests += 1
        headers = {**self._headers, "Range": f"bytes={start}-{end - 1}"}
        timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
        return session.get(asked.place, stream=True, allow_redirects=False, timeout=timeout, headers=headers)

    @contextmanager
    def _session(self, place: str) -> Iterator[requests.Session]:
        parts = urlsplit(place)
        key = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            waiting = self._idle.setdefault(key, [])
            session = waiting.pop() if waiting else None
        if session is None:
            session = connections.session_for(place, connections.new_cookies())
        try:
            yield session
        except BaseException:
            session.close()
            raise
        # One picture's cookies are no other's.
        session.cookies.clear()
        with self._lock:
            waiting = self._idle.setdefault(key, [])
            if len(waiting) < MAX_IDLE:
                waiting.append(session)
                return
        session.close()


def _part(answer: requests.Response) -> tuple[int, int | None]:
    """Where in the file the answer begins, and how many bytes the file has, where it says so."""
    if answer.status_code == requests.codes.partial_content:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
        if found is None:
            raise requests.ConnectionError("a part that does not say which")
        return int(found[1]), None if found[3] == "*" else int(found[3])
    announced = answer.headers.get("Content-Length", "")
    is_plain = announced.isascii() and announced.isdigit() and "Content-Encoding" not in answer.headers
    return 0, int(announced[:15]) if is_plain else None
