"""Twenty people send files that were made to keep a reader busy, all at once: the pages are there meanwhile."""

from __future__ import annotations

import random
import struct
import threading
import time
import uuid
import zlib

import pytest
import requests

from tests.fuzz import bombs
from tests.support import pictures
from tests.support.live_server import Desk

pytestmark = pytest.mark.processes

AT_ONCE = 20


def hostile(number: int) -> bytes:
    """One of the most costly kinds that are left."""
    kind = number % 4
    if kind == 0:
        # As many passes as are allowed, over many pixels.
        content = pictures.encoded(pictures.photograph("coffee", (64, 48)).convert("L"), "JPEG", progressive=True)
        last = content.rindex(b"\xff\xda")
        bomb = bytearray(content[:last] + content[last:-2] * 80 + content[-2:])
        start = bomb.index(b"\xff\xc2")
        bomb[start + 5 : start + 9] = struct.pack(">HH", 7900, 8000)
        return bytes(bomb)
    if kind == 1:
        head = struct.pack(">IIBBBBB", 7900, 8000, 8, 6, 0, 0, 0)
        pixels = zlib.compress(bytes(7900 * 4 * 8000), 1)
        return b"\x89PNG\r\n\x1a\n" + bombs.chunk(b"IHDR", head) + bombs.chunk(b"IDAT", pixels[:-10]) + bytes(12)
    if kind == 2:
        # Runs of one pixel, which are unpacked one by one.
        head = struct.pack("<IiiHHIIiiII", 40, 2800, 2800, 1, 8, 1, 0, 0, 0, 256, 0)
        return b"BM" + struct.pack("<IHHI", 0, 0, 0, 1078) + head + bytes(1024) + b"\x01\x01" * 7_000_000
    return bombs.tiff_directories(random.Random(number))


def test_twenty_hostile_uploads_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    desk = Desk("embedded", tmp_path_factory.mktemp("hostile"))
    files = [hostile(number) for number in range(AT_ONCE)]
    answers: list[tuple[int, str]] = []
    waits: list[float] = []
    try:
        desk.set_up()
        desk.start_web()
        token = desk.token()

        def send(content: bytes) -> None:
            answer = desk.api(
                "post", "uploads", token, files={"file": ("a.jpg", content + uuid.uuid4().bytes)}, timeout=300
            )
            answers.append((answer.status_code, answer.text[:200]))

        senders = [threading.Thread(target=send, args=(content,)) for content in files]
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            began = time.monotonic()
            assert requests.get(f"{desk.url}/accounts/login/", timeout=30).status_code == 200
            waits.append(time.monotonic() - began)
        for sender in senders:
            sender.join()
    finally:
        desk.close()
    print(f"sign-in page: {len(waits)} answers, the longest after {max(waits):.2f} s; {sorted(answers)}")
    assert len(answers) == AT_ONCE
    # Refused by name, or asked to come again; what can be read to its end in time is taken.
    assert {status for status, _ in answers} <= {201, 413, 415, 503}, answers
    # The pages did not stand in line behind the pictures.
    assert len(waits) > AT_ONCE
