"""Catalogue checks as people begin them, and as the workers work on them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from tests.conftest import Person
from tests.support import webserver
from upscaler.feeds import work
from upscaler.models import FeedCheck, FeedPicture

GOOGLE = '<?xml version="1.0"?><rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel>{}</channel></rss>'


def picture(size: tuple[int, int], kind: str = "JPEG", **options: Any) -> bytes:
    """A picture file of that size."""
    out = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(out, kind, **options)
    return out.getvalue()


def google(products: Iterable[tuple[str, list[str]]]) -> bytes:
    """Google's feed of products with their pictures' addresses."""
    items = []
    for sku, urls in products:
        extra = "".join(f"<g:additional_image_link>{url}</g:additional_image_link>" for url in urls[1:])
        main = f"<g:image_link>{urls[0]}</g:image_link>" if urls else ""
        items.append(f"<item><g:id>{sku}</g:id><title>Shirt {sku}</title>{main}{extra}</item>")
    return GOOGLE.format("\n".join(items)).encode()


def begun(person: Person, content: bytes = b"sku,image\nA,https://shop.example/a.jpg\n", **data: Any) -> FeedCheck:
    """A check that waits, of a feed that the person has sent with the page's form."""
    values = {"file": SimpleUploadedFile("feed.xml", content), **data}
    answer = person.client.post("/feeds/new/", values)
    assert answer.status_code == 302, answer.content.decode()
    return FeedCheck.objects.latest("pk")


def worked(check: FeedCheck) -> FeedCheck:
    """The check when no worker finds anything more to do."""
    while work.step():
        pass
    check.refresh_from_db()
    return check


def found(check: FeedCheck) -> dict[str, FeedPicture]:
    """What was found out, by the end of each address, or by the row where there is none."""
    return {row.url.rpartition("/")[2] or f"row {row.row}": row for row in check.rows.all()}


def ranged(content: bytes, log: list[str] | None = None, **headers: str) -> webserver.Answer:
    """A picture from a server that knows ranges; what each request asked for goes into ``log``."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range", "")
        if log is not None:
            log.append(asked)
        start, _, end = asked.removeprefix("bytes=").partition("-")
        last = min(int(end), len(content) - 1)
        part = content[int(start) : last + 1]
        webserver.body(part, 206, Content_Range=f"bytes {start}-{last}/{len(content)}", **headers)(handler)

    return answer


def counted(log: list[str], answer: webserver.Answer) -> Callable[[BaseHTTPRequestHandler], None]:
    """The same answer, whose paths go into ``log``."""

    def noted(handler: BaseHTTPRequestHandler) -> None:
        log.append(handler.path)
        answer(handler)

    return noted
