"""Programs that order: each repeats, with its key, what got no answer or a 5xx, until it knows the end of it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.chaos.desks import ENGINES
from tests.support import pictures

BATCH = 4
"""Pictures of one batch."""
PATIENCE = 180.0
"""Seconds for one call with all its repeats."""
PAUSE = 0.4
REST = 5.0
"""Seconds between two orders of a client, at most."""


@dataclass
class Book:
    """What all clients know together."""

    wanted: int
    ordered: set[int] = field(default_factory=set)
    """The numbers of the generations that the desk has said it took."""
    orders: int = 0
    keys: Counter[str] = field(default_factory=Counter)
    """How often each key was sent."""
    answers: Counter[str] = field(default_factory=Counter)
    """What was answered that was no success: statuses, and lines that were cut."""
    problems: list[str] = field(default_factory=list)
    """What no client may ever meet."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, count: int) -> int:
        """Leave to order up to ``count`` more; how many."""
        with self.lock:
            given = min(count, self.wanted - self.orders)
            self.orders += given
            return given

    def note(self, numbers: list[int]) -> None:
        """The desk took these."""
        with self.lock:
            if not self.ordered.isdisjoint(numbers):
                self.problems.append(f"two orders got one generation: {numbers}")
            self.ordered.update(numbers)


class Client(threading.Thread):
    """One program, which orders in one way after the other until the book is full."""

    def __init__(self, number: int, urls: dict[str, str], token: str, shop: str, book: Book, seed: int) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self.number = number
        self._urls = urls
        self._token = token
        self._shop = shop
        self._book = book
        self._chance = random.Random(seed)
        self._turn = 0
        self._rest = threading.Event()

    def run(self) -> None:
        ways = (self._upload, self._form, self._address, self._batch)
        while True:
            self._turn += 1
            way = ways[(self._turn + self.number) % len(ways)]
            if not (count := self._book.take(BATCH if way == self._batch else 1)):
                return
            # So that orders come all through the run.
            self._rest.wait(self._chance.uniform(0, REST))
            engine = ENGINES[(self._turn // len(ways) + self.number) % len(ENGINES)]
            try:
                way(self._urls[engine], f"{self.number}-{self._turn}", count)
            except Exception as error:
                self._problem(f"{way.__name__}: {error!r}")
                return

    def _picture(self, key: str) -> bytes:
        return pictures.jpeg() + key.encode()

    def _link(self, url: str, key: str) -> str:
        files = {"file": (f"{key}.jpg", self._picture(key))}
        answer = self._call("POST", f"{url}/api/v1/uploads", files=files)
        return str(answer.json()["image_url"])

    def _upload(self, url: str, key: str, count: int) -> None:
        self._order(url, key, json={"image_url": self._link(url, key), "model_name": "recraft"})

    def _form(self, url: str, key: str, count: int) -> None:
        files = {"file": (f"{key}.jpg", self._picture(key))}
        self._order(url, key, files=files, data={"model_name": "recraft"})

    def _address(self, url: str, key: str, count: int) -> None:
        self._order(url, key, json={"image_url": f"http://{self._shop}/{key}.jpg", "model_name": "recraft"})

    def _batch(self, url: str, key: str, count: int) -> None:
        items = [{"image_url": f"http://{self._shop}/{key}-{place}.jpg"} for place in range(count)]
        body = {"name": key, "model_name": "recraft", "items": items}
        self._keyed(f"{url}/api/v1/batches", key, lambda answer: list(answer["generation_ids"]), json=body)

    def _order(self, url: str, key: str, **options: Any) -> None:
        self._keyed(f"{url}/api/v1/generation-upscale", key, lambda answer: [answer["generation_id"]], **options)

    def _keyed(self, url: str, key: str, read: Any, **options: Any) -> None:
        headers = {"Idempotency-Key": key}
        numbers = read(self._call("POST", url, key=key, headers=headers, **options).json())
        self._book.note(numbers)
        if self._chance.random() < 0.3:
            again = read(self._call("POST", url, key=key, headers=headers, **options).json())
            if again != numbers:
                self._problem(f"key {key}: first {numbers}, then {again}")

    def _call(self, method: str, url: str, *, key: str = "", headers: Any = None, **options: Any) -> requests.Response:
        """The first answer below 500. Raises AssertionError for a refusal, and where there is none in time."""
        deadline = time.monotonic() + PATIENCE
        pause = threading.Event()
        headers = {**(headers or {}), "Authorization": f"Bearer {self._token}"}
        while time.monotonic() < deadline:
            with self._book.lock:
                self._book.keys[key] += bool(key)
            try:
                answer = requests.request(method, url, headers=headers, timeout=30, **options)
            except requests.RequestException as error:
                self._count("no answer" if isinstance(error, requests.Timeout) else "cut")
            else:
                if answer.status_code < 400:
                    return answer
                self._count(_in_words(answer))
                if answer.status_code < 500:
                    raise AssertionError(f"refused: {answer.status_code} {answer.text[:300]}")
                if not _is_explained(answer):
                    self._problem(f"{method} {url}: {answer.status_code} {answer.text[:300]}")
            pause.wait(PAUSE)
        raise AssertionError(f"no answer to {method} {url} in {PATIENCE:.0f} s")

    def _count(self, what: str) -> None:
        with self._book.lock:
            self._book.answers[what] += 1

    def _problem(self, what: str) -> None:
        with self._book.lock:
            self._book.problems.append(f"{self.name}: {what}")


def _in_words(answer: requests.Response) -> str:
    """Its status, and the code that the desk gives with it."""
    try:
        return f"{answer.status_code} {answer.json().get('code', '')}".strip()
    except (ValueError, AttributeError):
        return str(answer.status_code)


def _is_explained(answer: requests.Response) -> bool:
    """Whether it says what is wrong and that it passes."""
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        return False
    return answer.status_code == 503 and bool(said) and "Retry-After" in answer.headers
