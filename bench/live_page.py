"""A browser with one live page open: it asks what static/js/live.js asks, when that asks, and keeps what that keeps."""

from __future__ import annotations

import html
import re
from urllib.parse import urlencode

import requests

EVERY, SLOWLY = 2.0, 10.0
"""Seconds, as in static/js/live.js."""


class LivePage:
    """An open history, or an open batch."""

    def __init__(self, session: requests.Session, desk: str, path: str) -> None:
        self._session = session
        self._desk = desk
        self._path = path
        self._address = ""
        self._seen = ""
        self._numbers: set[str] = set()
        self._is_first_history = self._is_open_batch = False

    def open(self) -> None:
        """Load it, as somebody who comes to it or goes on to what is new. Raises requests.RequestException."""
        answer = self._session.get(self._desk + self._path, timeout=60)
        answer.raise_for_status()
        [address] = re.findall(r'id="poller"[^>]* hx-get="([^"]+)"', answer.text)
        self._address, self._seen = html.unescape(address), ""
        self._numbers = _numbers(answer.text)
        self._is_first_history = re.search(r'id="history"[^>]* data-first', answer.text) is not None
        self._is_open_batch = "data-batch-open" in answer.text

    @property
    def pause(self) -> float | None:
        """Seconds until it asks again; None where it never does."""
        if self._numbers or self._is_open_batch:
            return EVERY
        return SLOWLY if self._is_first_history else None

    def poll(self) -> bool:
        """Ask how all stands. Whether anything had changed. Raises requests.RequestException."""
        sent = [("live", "1"), ("seen", self._seen), *(("id", number) for number in sorted(self._numbers))]
        joint = "&" if "?" in self._address else "?"
        headers = {"HX-Request": "true", "HX-Trigger": "poller", "HX-Current-URL": self._desk + self._path}
        answer = self._session.get(f"{self._desk}{self._address}{joint}{urlencode(sent)}", headers=headers, timeout=60)
        answer.raise_for_status()
        if answer.status_code == 204:
            return False
        if found := re.search(r'id="live-seen" name="seen" value="([^"]*)"', answer.text):
            self._seen = found[1]
        self._numbers &= _numbers(answer.text)
        if self._is_open_batch:
            self._is_open_batch = "data-batch-open" in answer.text
        return True


def _numbers(text: str) -> set[str]:
    """Of the upscales that have not ended."""
    return set(re.findall(r'name="id" value="(\d+)"', text))
