"""A picture made ready for a channel: colours, background, frame, size, bytes and metadata, in this order.

Nothing is enlarged here, and nothing of the product is cut off. What the channel would refuse all the same is said.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from upscaler.channels import background, check, cropping, encode, frame, table
from upscaler.channels.encode import Encoded
from upscaler.channels.frame import Frame
from upscaler.channels.shrink import shrink
from upscaler.channels.table import WHITE, Channel
from upscaler.imaging import codec, colour, measuring, surroundings
from upscaler.imaging.codec.reading import Picture
from upscaler.imaging.samples import Samples
from upscaler.imaging.surroundings import Colour
from upscaler.imaging.vips import pyvips

TRIES = 4
"""How often a file is made smaller to have fewer bytes."""


@dataclass(frozen=True)
class Fitted:
    """A channel's file, and what the channel would say of it."""

    width: int
    height: int
    bytes: int
    format: str
    """Pillow's name."""
    problems: tuple[str, ...]
    """Why the channel would refuse it, as sentences for people; empty for a file that is right."""


@dataclass(frozen=True)
class _Prepared:
    """Pixels ready to be framed."""

    colours: Samples
    """(height, width, 3)."""
    alpha: Samples | None
    profile: bytes | None
    notes: tuple[str, ...]


def fit(
    source: Path,
    target: Path,
    channel: Channel,
    *,
    asked: str | None = None,
    crop: bool = False,
    trim: bool = False,
    keep_private: bool = False,
    subject: cropping.Found | None = None,
) -> Fitted:
    """Write ``source`` to ``target`` as the channel wants it; the file is there whole or not at all.

    ``asked``: Pillow's name of the format; None for the one that suits. ``crop``: whether the ratio is met by cropping
    the surroundings, never the product, before anything is padded. ``trim``: whether empty margin is taken off until
    the product fills what the channel asks for. ``keep_private``: whether places and serial numbers stay in the file.
    ``subject``: what `subject.find` says, by which is cropped where the surroundings don't tell the product from them.

    Raises PublicError for a file that can't be read or a format that the channel does not take, and OSError.
    """
    with TemporaryDirectory(dir=target.parent, prefix=".fit-") as folder:
        made = Path(folder) / "made"
        fitted = fit_into(
            source, made, channel, asked=asked, crop=crop, trim=trim, keep_private=keep_private, subject=subject
        )
        os.replace(made, target)
    return fitted


def fit_into(
    source: Path,
    target: Path,
    channel: Channel,
    *,
    asked: str | None = None,
    crop: bool = False,
    trim: bool = False,
    keep_private: bool = False,
    subject: cropping.Found | None = None,
) -> Fitted:
    """`fit`, written straight into ``target``, which may be an open file's place under ``/dev/fd``."""
    picture = codec.load(source)
    format_ = encode.choose(channel, is_transparent=measuring.is_transparent(picture), asked=asked)
    prepared = _prepared(picture, channel, format_)
    around = surroundings.look(prepared.colours, prepared.alpha)
    size = prepared.colours.shape[1], prepared.colours.shape[0]
    box = _safe_box(prepared, around.colour) if around.box else None
    masked = subject.box(*size) if subject and crop and box is None else None
    planned = frame.plan(size, channel, box or masked, crop=crop, trim=trim and box is not None)
    cuts = bool(subject and masked and subject.is_cut_by(planned.window, *size))
    for _ in range(TRIES):
        canvas = _framed(prepared, planned, channel)
        made = encode.encode(
            canvas, format_, channel, picture.metadata, prepared.profile, target, keep_private=keep_private
        )
        smaller = _smaller(made, planned, channel, format_)
        if smaller is None:
            break
        planned = smaller
    target.write_bytes(made.content)
    measured = measuring.measure(target)
    findings = check.judge(measured, channel, ending="")
    # Of the background, the source's own tells more than the file's, whose edge may be padding.
    said = [one.message for one in findings if not (one.passed or (one.rule == "background" and prepared.notes))]
    if crop and channel.ratio and box is None and masked is None:
        said.append(subject.problem if subject and subject.problem else cropping.UNKNOWN)
    if cuts:
        said.append(cropping.MAY_BE_CUT)
    problems = tuple(dict.fromkeys([*said, *prepared.notes]))
    return Fitted(measured.width, measured.height, measured.bytes, measured.format, problems)


def in_child(source: Path, target: Path, options: dict[str, Any]) -> dict[str, Any]:
    """`fit_into` in the process that reads strangers' pictures: ``channel`` is a row, and the answer is JSON too."""
    channel = table.from_row(options["channel"])
    subject = cropping.Found(**options["subject"]) if options.get("subject") else None
    wishes = {"crop": options["crop"], "trim": options["trim"], "subject": subject}
    return dataclasses.asdict(fit_into(source, target, channel, **wishes))


def _prepared(picture: Picture, channel: Channel, format_: str) -> _Prepared:
    colours, alpha, profile = picture.pixels, picture.alpha, picture.profile
    if alpha is not None and not measuring.is_transparent(picture):
        alpha = None
    colours, profile = _in_channels_colours(picture, colours, profile, channel)
    if alpha is not None and not (channel.transparency and format_ in ("PNG", "WEBP")):
        colours, alpha = _flattened(colours, alpha, channel.padding), None
    notes: tuple[str, ...] = ()
    if channel.background == WHITE and alpha is None:
        white = background.whiten(colours)
        if white is None:
            notes = (check.not_white(surroundings.look(colours), channel),)
        else:
            colours = white
    return _Prepared(np.ascontiguousarray(colours), alpha, profile, notes)


def _in_channels_colours(
    picture: Picture, colours: Samples, profile: bytes | None, channel: Channel
) -> tuple[Samples, bytes | None]:
    """In sRGB where the channel asks for it, and where shades of grey become RGB; else as they are."""
    if profile is None:
        return colours, None
    if picture.grey:
        if colours.dtype == np.uint8:
            grey = colour.grey_in_srgb(Image.fromarray(np.ascontiguousarray(colours[..., 0])), profile)
            return np.asarray(grey)[..., None].repeat(3, axis=2), _srgb()
        curve = np.interp(np.arange(65536), np.arange(256) * 257, np.array(colour.grey_curve(profile)) * 257.0)
        return curve.round().astype(np.uint16)[colours], _srgb()
    if not channel.colour_space or measuring.is_srgb(picture):
        return colours, profile
    height, width = colours.shape[:2]
    wide = colours.dtype.itemsize == 2
    image = pyvips.Image.new_from_memory(
        np.ascontiguousarray(colours), width, height, 3, "ushort" if wide else "uchar"
    ).copy(interpretation="rgb16" if wide else "srgb")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    converted = image.icc_transform(
        "srgb", embedded=True, intent="relative", black_point_compensation=True, depth=16 if wide else 8
    )
    values: Samples = converted.numpy()
    return values[..., :3], _srgb()


def _flattened(colours: Samples, alpha: Samples, ground: Colour) -> Samples:
    """On one colour, mixed as browsers and editors mix it."""
    full = np.iinfo(colours.dtype).max
    behind = np.array(ground, np.float32) * (full / 255)
    made = np.empty_like(colours)
    step = max(1, surroundings.STRIP_PIXELS // colours.shape[1])
    for top in range(0, colours.shape[0], step):
        rows = slice(top, top + step)
        share = alpha[rows].astype(np.float32)[..., None] / full
        made[rows] = (colours[rows] * share + behind * (1 - share) + 0.5).astype(colours.dtype)
    return made


def _safe_box(prepared: _Prepared, ground: Colour) -> surroundings.Box | None:
    """Around all that might be the product: faint edges and thin straps too, because this is what may be cut along."""
    if prepared.alpha is not None:
        return surroundings.look(prepared.colours, prepared.alpha).box
    return surroundings.product_box(prepared.colours, ground, stands_out=6, dust=False)


def _framed(prepared: _Prepared, planned: Frame, channel: Channel) -> Samples:
    left, top, right, bottom = planned.window
    taken = np.ascontiguousarray(prepared.colours[top:bottom, left:right])
    seen = None if prepared.alpha is None else np.ascontiguousarray(prepared.alpha[top:bottom, left:right])
    small, share = shrink(taken, seen, *planned.content)
    canvas = np.empty((planned.size[1], planned.size[0], 3 if share is None else 4), np.uint8)
    across, down = planned.offset
    inside = slice(down, down + small.shape[0]), slice(across, across + small.shape[1])
    if share is None:
        _pad(canvas, inside, surroundings.look(taken).sides, channel)
    else:
        canvas[...] = 0
        canvas[(*inside, 3)] = _eight_bit(share)
    canvas[(*inside, slice(0, 3))] = _eight_bit(small)
    return canvas


def _pad(canvas: Samples, inside: tuple[slice, slice], sides: dict[str, Colour], channel: Channel) -> None:
    """The colour of each side of the picture where it is one, so that no seam shows; else the channel's."""
    rows, columns = inside
    canvas[:, : columns.start] = sides.get("left", channel.padding)
    canvas[:, columns.stop :] = sides.get("right", channel.padding)
    canvas[: rows.start] = sides.get("top", channel.padding)
    canvas[rows.stop :] = sides.get("bottom", channel.padding)


def _smaller(made: Encoded, planned: Frame, channel: Channel, format_: str) -> Frame | None:
    most = channel.most_bytes(format_)
    if not made.is_too_large or most is None:
        return None
    return frame.smaller(planned, channel, min(0.97, (most / len(made.content)) ** 0.5))


def _eight_bit(values: Samples) -> Samples:
    return values if values.dtype == np.uint8 else ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _srgb() -> bytes:
    profile: Any = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    content: bytes = profile.tobytes()
    return content
