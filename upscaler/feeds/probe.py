"""Asking one picture's host how its file begins, and what that says."""

from __future__ import annotations

import time

from django.conf import settings

from upscaler import picture_formats
from upscaler.errors import PublicError
from upscaler.feeds import headers
from upscaler.feeds.records import Measured, without_upload
from upscaler.fetching import judging
from upscaler.fetching.beginnings import Beginning, Visitor
from upscaler.models import FeedPicture

FIRST = 8_192
"""Bytes that are asked for first: most pictures of shops say their size in them, and they travel in one go."""


class ComeAgain(Exception):
    """The host asks to be left alone for a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def user_agent() -> str:
    """Who asks, for the people who run the hosts."""
    about = f"; +{settings.PUBLIC_URL}" if settings.PUBLIC_URL else ""
    return f"UpscalerCatalogueCheck/1.0 (reads the sizes of a shop's own pictures{about})"


def new_visitor() -> Visitor:
    """What asks all hosts of a check. Close it."""
    return Visitor(user_agent())


def measure(visitor: Visitor, picture: FeedPicture) -> Measured:
    """What the picture is, or why that can't be found out.

    Within `FEED_PICTURE_SECONDS`, whatever its host does. Raises ComeAgain.
    """
    deadline = time.monotonic() + settings.FEED_PICTURE_SECONDS
    try:
        beginning = visitor.read(picture.url, first=FIRST, needed=_needed, most=headers.MOST, deadline=deadline)
    except PublicError as error:
        if error.retry_after is not None:
            raise ComeAgain(error.retry_after) from None
        return Measured(picture, problem=error.code, message=without_upload(error.message))
    return _judged(picture, beginning)


def _needed(content: bytes) -> int:
    try:
        headers.read(content)
    except headers.NeedMore as more:
        return min(more.size, headers.MOST)
    except (headers.NotAPicture, headers.Unreadable):
        return 0
    return 0


def _judged(picture: FeedPicture, beginning: Beginning) -> Measured:
    try:
        found = headers.read(beginning.content)
    except headers.NotAPicture:
        return _refused(picture, "not_a_picture", _what_it_is(picture, beginning))
    except headers.Unreadable:
        return _refused(picture, "unreadable", "The file begins like a picture, but does not say how large it is.")
    except headers.NeedMore:
        if not beginning.content:
            return _refused(picture, "not_a_picture", f"{picture.host} gives an empty file under this address.")
        if beginning.is_whole:
            return _refused(picture, "unreadable", "The picture’s file ends before it says how large it is.")
        return _refused(
            picture,
            "unreadable",
            f"The picture does not say how large it is in the first {headers.MOST / 1e6:.0f} MB of its file.",
        )
    return Measured(
        picture,
        width=found.width,
        height=found.height,
        format=found.format,
        file_size=beginning.size,
        message=_lie(picture, beginning.content_type, found.format),
    )


def _refused(picture: FeedPicture, problem: str, message: str) -> Measured:
    return Measured(picture, problem=problem, message=message)


def _what_it_is(picture: FeedPicture, beginning: Beginning) -> str:
    head = beginning.content[: judging.BEGINNING]
    if judging.is_page(head, beginning.content_type):
        return f"{picture.host} shows a web page under this address, not a picture."
    if known := picture_formats.known_refusal(beginning.content[: picture_formats.MARKS_LENGTH]):
        return f"This is {known.partition('. ')[0]}."
    called = f", although its host calls it {beginning.content_type}" if "image/" in beginning.content_type else ""
    return f"This is no picture of a kind that is known{called}."


def _lie(picture: FeedPicture, content_type: str, format_: str) -> str:
    """What is said where the host calls a good picture something else."""
    called = content_type.partition(";")[0].strip().lower()
    known = picture_formats.FORMATS[format_]
    if not called or called in (known.media_type, "application/octet-stream", "binary/octet-stream"):
        return ""
    if {called, known.media_type} <= {"image/heic", "image/heif"} or called in ("image/jpg", "image/x-ms-bmp"):
        return ""
    return f"Its host calls it {called[:60]}, and it is a {known.title}. Shops that go by the name refuse such a file."
