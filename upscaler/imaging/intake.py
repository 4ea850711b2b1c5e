"""Opening pictures that strangers made: what is taken, within which limits, and what is known of it then.

Nothing here trusts a file's name or its header beyond what is checked, and nothing is decoded in the desk's own
processes: `sandbox` does it.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from upscaler.errors import PublicError
from upscaler.imaging import decoding, sandbox
from upscaler.imaging.guard import DAMAGED
from upscaler.imaging.measuring import Measured
from upscaler.imaging.previews import Preview
from upscaler.imaging.reducing import Reduced, unpacked
from upscaler.imaging.sandbox.limits import Limits
from upscaler.picture_formats import FORMATS
from upscaler.upscaling_models import UpscalingModel

logger = logging.getLogger(__name__)

SOURCE_CPU_SECONDS = 5
"""What a source may take to be read; the largest sound ones take about two."""
SOURCE_WALL_SECONDS = 30
"""The same on a machine that is busy with much else."""
RESULT_CPU_SECONDS, RESULT_WALL_SECONDS = 120, 600
OWN_MEMORY = 120_000_000
"""Bytes that a process takes before it reads a picture, beside a file of some MB."""
BYTES_PER_PIXEL, RECODE_BYTES_PER_PIXEL = 24, 24
"""Memory that small pictures and results reserve at most: less than half of it is ever used."""
CONVERT_BYTES_PER_PIXEL = 150
"""What whitening, shrinking and encoding may take at once, the canvas among it."""
LARGE_SOURCE_BYTES_PER_PIXEL = 8.5
"""What reading a large source may take: 600 MB in all for one of 64 megapixels. Kinds of files that need more have a
lower limit of pixels, see `SampledFile.memory_per_pixel`."""
LARGE_OWN_MEMORY, MIN_LARGE_MEMORY = 56_000_000, 400_000_000
"""Bytes: beside the pixels, and what is given where the limit of pixels is low."""
MAX_RESULT_BYTES = 4 * 10**9
PREVIEW_EXTENSIONS = (".jpg", ".png")


@dataclass(frozen=True)
class ExaminedPicture:
    """What is known of a picture that was opened and decoded without trouble."""

    format: str
    """Pillow's name of the format."""
    width: int
    """Pixels, as displayed: after the EXIF orientation."""
    height: int
    file_size: int
    """Bytes."""
    digest: str
    """SHA-256 of the file's bytes."""
    thumbnail: bytes
    """A WebP of at most `previews.THUMBNAIL_SIDE` pixels."""
    product_share: float = 1.0
    """The longer side of what is not margin, as a share of the picture's longer side, 0 to 1."""
    jpeg_quality: int | None = None
    """From 1 to 100, as its tables tell it; None for what is no JPEG."""

    @property
    def extension(self) -> str:
        """The format's usual extension, with its dot."""
        return FORMATS[self.format].extension


def examine(
    file: IO[bytes], *, name: str, max_bytes: int, max_pixels: int, patience: decoding.Patience | None = None
) -> ExaminedPicture:
    """Open and fully decode an untrusted file.

    ``name`` is what the person calls it, for the messages. ``patience``: what all pictures of a request share. The file
    is left at its start.
    Raises PublicError with code ``empty``, ``too_large``, ``not_a_picture``, ``unsupported_kind``, ``animated``,
    ``too_many_pixels``, ``damaged``, ``out_of_memory``, or ``busy`` where too many
    pictures are examined already: that one passes.
    """
    named = f"“{name}”" if name else "The file"
    size = _checked_size(file, named, max_bytes)
    max_memory = int(LARGE_SOURCE_BYTES_PER_PIXEL * max_pixels) - 2 * min(size, settings.MAX_UPLOAD_BYTES)
    options = {"named": named, "max_pixels": max_pixels, "max_memory": max_memory}
    patience = patience or decoding.Patience()
    with decoding.place(named, patience):
        reading = _Reading("examine", file, size, options, named, _source_limits, max_pixels)
        answer, following = reading.answer(patience=patience)
        found = _examined(answer, following, size, digest_of(file))
    file.seek(0)
    return found


def examine_source(file: IO[bytes], *, name: str, patience: decoding.Patience | None = None) -> ExaminedPicture:
    """`examine` with the desk's own limits for a picture that somebody wants enlarged."""
    return examine(
        file,
        name=name,
        max_bytes=settings.MAX_UPLOAD_BYTES,
        max_pixels=settings.MAX_SOURCE_PIXELS,
        patience=patience,
    )


def examine_result(path: Path, *, max_bytes: int, max_pixels: int) -> tuple[ExaminedPicture, Preview]:
    """Like `examine`, for a finished picture, and its copy for the screen: both from one decoding.

    Nobody waits for it at a page, so it waits for its turn as long as it takes.

    Raises PublicError.
    """
    named = "The result"
    with path.open("rb") as file:
        size = _checked_size(file, named, max_bytes)
        options = {"named": named, "max_pixels": max_pixels}
        reading = _Reading("examine_result", file, size, options, named, _result_limits, max_pixels)
        answer, following = reading.answer()
        return _examined(answer, following, size, digest_of(file)), _preview_in(answer, following[1:])


def preview(path: Path) -> Preview:
    """A copy for the screen of a picture file that was examined before. It waits for its turn as long as it takes.

    Raises PublicError where it can't be read all the same.
    """
    named = "The picture"
    with path.open("rb") as file:
        most = max(settings.MAX_RESULT_PIXELS, settings.MAX_SOURCE_PIXELS)
        reading = _Reading("preview", file, path.stat().st_size, {"named": named}, named, _result_limits, most)
        return _preview_in(*reading.answer())


def reduce(path: Path, *, name: str, side: int | None = None, max_area: int) -> Reduced:
    """A small copy of a stranger's picture, to compare with others: see `reducing.reduce`.

    It waits for its turn as long as it takes. Raises PublicError as `examine`.
    """
    named = f"“{name}”" if name else "The picture"
    most = max(settings.MAX_RESULT_PIXELS, settings.MAX_SOURCE_PIXELS)
    with path.open("rb") as file:
        size = _checked_size(file, named, MAX_RESULT_BYTES)
        max_memory = int(LARGE_SOURCE_BYTES_PER_PIXEL * most)
        options = {"named": named, "side": side, "max_area": max_area, "max_pixels": most, "max_memory": max_memory}
        told, parts = _Reading("reduce", file, size, options, named, _result_limits, most).answer()
    return unpacked(told, parts)


def measure(file: IO[bytes], *, name: str, patience: decoding.Patience | None = None) -> Measured:
    """A stranger's picture file in numbers, within the limits of a result: for what may be given to a shop.

    The file is left at its start. Raises PublicError as `examine`.
    """
    most = settings.MAX_RESULT_PIXELS
    patience = patience or decoding.Patience()
    found = examine(file, name=name, max_bytes=settings.MAX_UPLOAD_BYTES, max_pixels=most, patience=patience)
    named = f"“{name}”" if name else "The file"
    memory = OWN_MEMORY + found.file_size + RECODE_BYTES_PER_PIXEL * found.width * found.height
    limits = Limits(RESULT_CPU_SECONDS, RESULT_WALL_SECONDS, memory, file_size=1)
    with decoding.turn((found.width, found.height), named, patience=patience):
        answer, _ = _answered(*_asked("measure", file, {"named": named}, named, limits))
    file.seek(0)
    told = answer["measured"]
    told["edge"], told["box"] = tuple(told["edge"]), told["box"] and tuple(told["box"])
    return Measured(**told)


def recode(path: Path, target: Path, result_format: str, *, generative: bool | None = True) -> None:
    """Write a stranger's picture in another format, with everything that it carries. Raises PublicError.

    ``generative``: as `codec.save` takes it.
    """
    memory = OWN_MEMORY + RECODE_BYTES_PER_PIXEL * settings.MAX_RESULT_PIXELS
    limits = Limits(RESULT_CPU_SECONDS * 5, RESULT_WALL_SECONDS * 2, memory, file_size=4 * 10**9)
    options = {"result_format": result_format, "generative": generative}
    named = "The result"
    with path.open("rb") as file, target.open("wb+") as written, decoding.turn((1, 1), named, patience=None):
        _answered(*_asked("recode", file, options, named, limits, written))


def convert(
    module: str,
    file: IO[bytes],
    target: IO[bytes],
    options: dict[str, Any],
    *,
    named: str,
    size: tuple[int, int],
    patience: decoding.Patience | None = None,
) -> dict[str, Any]:
    """Have the desk's ``module`` make one file out of another, in the process that reads strangers' pictures.

    ``module``: its name below ``upscaler``; it is Django-free and has a function ``in_child`` of two paths and
    ``options``, whose answer is JSON. ``size``: the picture's, in pixels. ``patience``: how long it may wait for its
    turn; None where nobody waits at a page.

    Raises PublicError.
    """
    memory = OWN_MEMORY + CONVERT_BYTES_PER_PIXEL * size[0] * size[1]
    limits = Limits(RESULT_CPU_SECONDS * 5, RESULT_WALL_SECONDS * 2, memory, file_size=4 * 10**9)
    with decoding.turn(size, named, patience=patience):
        answer, _ = _answered(
            *_asked("above", file, {**options, "module": module, "named": named}, named, limits, target)
        )
    return answer


def _source_limits(pixels: int, file_size: int) -> Limits:
    memory = OWN_MEMORY + 2 * file_size + BYTES_PER_PIXEL * min(pixels, decoding.LARGE_FROM)
    if pixels > decoding.LARGE_FROM:
        memory = max(MIN_LARGE_MEMORY, LARGE_OWN_MEMORY + int(LARGE_SOURCE_BYTES_PER_PIXEL * pixels))
    return Limits(SOURCE_CPU_SECONDS, SOURCE_WALL_SECONDS, memory)


def _result_limits(pixels: int, file_size: int) -> Limits:
    # Of a large file no more is in memory than of a source's.
    held = 2 * min(file_size, settings.MAX_UPLOAD_BYTES)
    return Limits(RESULT_CPU_SECONDS, RESULT_WALL_SECONDS, OWN_MEMORY + held + BYTES_PER_PIXEL * pixels)


Answer = tuple[dict[str, Any], list[bytes]]


@dataclass(frozen=True)
class _Reading:
    """One picture to be read by `sandbox`."""

    task: str
    file: IO[bytes]
    file_size: int
    options: dict[str, Any]
    named: str
    limits: Callable[[int, int], Limits]
    """By the most pixels that are read, and the file's size."""
    max_pixels: int

    def answer(self, *, patience: decoding.Patience | None = None) -> Answer:
        """What is said of the file, for a large picture when its turn has come. Raises PublicError."""
        with decoding.turn((1, 1), self.named, patience=patience):
            limits = self.limits(min(decoding.LARGE_FROM, self.max_pixels), self.file_size)
            options = self.options | {"below": decoding.LARGE_FROM}
            answer, following = _asked(self.task, self.file, options, self.named, limits)
        if answer.get("large"):
            with decoding.turn((decoding.LARGE_FROM, 1), self.named, patience=patience):
                limits = self.limits(self.max_pixels, self.file_size)
                answer, following = _asked(self.task, self.file, self.options, self.named, limits)
        return _answered(answer, following)


def _asked(
    task: str, file: IO[bytes], options: dict[str, Any], named: str, limits: Limits, target: IO[bytes] | None = None
) -> Answer:
    try:
        return sandbox.read(task, file, options, limits=limits, target=target)
    except sandbox.Stopped as stopped:
        logger.warning("a picture was not read to its end: %s", stopped)
        raise PublicError(
            f"{named} is damaged, or takes more time or memory to read than a picture should. Export it again from the "
            "program it came from, and upload the new file.",
            code=DAMAGED,
        ) from None
    except sandbox.ServerGone:
        logger.error("the process that reads pictures has ended twice")
        raise decoding.busy(named, "pictures are") from None


def _answered(answer: dict[str, Any], following: list[bytes]) -> Answer:
    refused = answer.get("refused")
    if refused is not None:
        raise PublicError(str(refused["message"]), code=str(refused["code"]), permanent=bool(refused["permanent"]))
    return answer, following


def _examined(answer: dict[str, Any], following: list[bytes], size: int, digest: str) -> ExaminedPicture:
    found = answer["found"]
    return ExaminedPicture(
        format=FORMATS[found["format"]].name,
        width=int(found["width"]),
        height=int(found["height"]),
        file_size=size,
        digest=digest,
        thumbnail=following[0],
        product_share=min(1.0, float(found["product_share"])),
        jpeg_quality=found["jpeg_quality"],
    )


def _preview_in(answer: dict[str, Any], following: list[bytes]) -> Preview:
    extension = str(answer["extension"])
    if extension not in PREVIEW_EXTENSIONS:
        raise ValueError(f"a preview can't be {extension!r}")
    return Preview(following[0], extension)


def _checked_size(file: IO[bytes], named: str, max_bytes: int) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size == 0:
        raise PublicError(f"{named} is empty. Choose the picture again.", code="empty")
    if size > max_bytes:
        raise PublicError(
            f"{named} has {size / 1e6:.1f} MB; the limit is {max_bytes / 1e6:.0f} MB. "
            "Save it as a JPEG or make it smaller, and upload that.",
            code="too_large",
        )
    return size


def digest_of(file: IO[bytes]) -> str:
    """SHA-256 of the whole file, which is left where it was."""
    at = file.tell()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    file.seek(at)
    return digest


def check_result_size(
    width: int, height: int, factor: int, *, max_pixels: int, models: Sequence[UpscalingModel]
) -> None:
    """Refuse work whose result would be too large, with what one of the ``models`` that are offered could do.

    Raises PublicError with code ``result_too_large``.
    """
    result_pixels = width * height * factor * factor
    if result_pixels <= max_pixels:
        return
    way_out = "Use a smaller picture."
    fitting = [(one, model.title) for model in models for one in model.factors if width * height * one**2 <= max_pixels]
    if fitting:
        most, title = max(fitting)
        way_out = f"Choose {most}x with {title}, or a smaller picture."
    raise PublicError(
        f"{width:,} × {height:,} pixels enlarged {factor} times would be {result_pixels / 1e6:,.0f} megapixels; the "
        f"limit is {max_pixels / 1e6:.0f}. {way_out}",
        code="result_too_large",
    )
