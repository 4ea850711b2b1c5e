"""Rules judged with measured numbers: the same for files that people bring and for what the desk made itself."""

from __future__ import annotations

from dataclasses import dataclass

from upscaler.channels import reach
from upscaler.channels.table import LIGHT_GREY, WHITE, Channel
from upscaler.imaging.measuring import Measured
from upscaler.imaging.surroundings import PURE_WHITE_SHARE, Surroundings
from upscaler.picture_formats import FORMATS
from upscaler.upscaling_models import FACTORS

RATIO_REACH = 0.004
"""How far a ratio may be off, as a share: rounding to whole pixels, and shops that write 1:1.44 for 1801 × 2600."""
LIGHT_GREY_LEVELS = (200, 250)
"""The channels of a light grey that is not white."""


@dataclass(frozen=True)
class Finding:
    """One rule, judged."""

    rule: str
    """For programs: ``format``, ``size``, ``best_size``, ``ratio``, ``bytes``, ``background``, ``fill``, ...."""
    title: str
    passed: bool
    measured: str
    """What the file has, in words."""
    allowed: str
    """What the channel asks for, in words."""
    message: str = ""
    """What is wrong and what to do; empty where the rule is met."""


def judge(measured: Measured, channel: Channel, *, ending: str) -> list[Finding]:
    """Each rule of the channel for one file. ``ending``: that of the file's name with its dot; empty for no name."""
    found = [_format(measured, channel)]
    if ending:
        found.append(_ending(measured, ending))
    found += _sizes(measured, channel)
    found += _bytes(measured, channel)
    found += _looks(measured, channel)
    found += _privacy(measured)
    return found


def advice(measured: Measured, channel: Channel) -> str:
    """What would be better and is not demanded; empty where the picture reaches the channel's best size."""
    if not channel.best_width or not channel.best_height:
        return ""
    width, height = measured.size_without_margin if channel.size_without_margin else (measured.width, measured.height)
    if reach.is_best(width, height, channel):
        return ""
    return (
        f"{channel.title} advises {channel.best_width:,} × {channel.best_height:,} pixels; this has {width:,} × "
        f"{height:,}. {_enlarge(width, height, channel, channel.best_width, channel.best_height)}"
    )


def not_white(around: Surroundings, channel: Channel) -> str:
    """What is said of a picture whose background can't be made white without a person."""
    red, green, blue = around.colour
    told = f"about {red}, {green}, {blue}" if around.is_one_colour else "not of one colour"
    return (
        f"The background is not white: its edge is {told}, and {channel.title} wants 255, 255, 255. Cut the product "
        "out, or photograph it on white."
    )


def _format(measured: Measured, channel: Channel) -> Finding:
    title = FORMATS[measured.format].title if measured.format in FORMATS else measured.format
    allowed = _listed([FORMATS[name].title for name in channel.formats])
    passed = measured.format in channel.formats
    message = "" if passed else f"This is a {title}; {channel.title} takes {allowed}. Save it as one of these."
    return Finding("format", "Format", passed, title, allowed, message)


def _ending(measured: Measured, ending: str) -> Finding:
    known = FORMATS[measured.format].endings
    passed = ending.lower() in known
    message = (
        "" if passed else f"The name ends in {ending}, but the file is a {FORMATS[measured.format].title}. Rename it."
    )
    return Finding("ending", "Ending of the name", passed, ending, _listed(known), message)


def _sizes(measured: Measured, channel: Channel) -> list[Finding]:
    width, height = measured.width, measured.height
    found = []
    if channel.min_width or channel.min_height:
        found.append(_least(measured, channel))
    most = []
    if channel.max_width or channel.max_height:
        most.append(f"{channel.max_width or width:,} × {channel.max_height or height:,}")
    if channel.max_megapixels:
        most.append(f"{channel.max_megapixels:g} megapixels")
    if most:
        passed = (
            width <= (channel.max_width or width)
            and height <= (channel.max_height or height)
            and width * height <= (channel.max_megapixels or 1e9) * 1e6
        )
        message = "" if passed else f"{width:,} × {height:,} pixels are too many. Make it smaller, as fitting does."
        found.append(Finding("max_size", "Largest size", passed, f"{width:,} × {height:,}", _listed(most), message))
    if channel.ratio:
        across, down = channel.ratio
        # Where a side is short, a pixel more or less is more than the share.
        reach = max(RATIO_REACH, 1 / min(width, height))
        passed = abs((width / height) / (across / down) - 1) <= reach
        message = (
            ""
            if passed
            else f"{width:,} × {height:,} is 1:{height / width:.3f}; {channel.title} wants {across}:{down}, that is "
            f"1:{down / across:.3f}. Fitting pads it to that, and crops nothing."
        )
        measured_ratio = f"1:{height / width:.3f}"
        found.append(Finding("ratio", "Ratio", passed, measured_ratio, f"1:{down / across:.3f}", message))
    return found


def _least(measured: Measured, channel: Channel) -> Finding:
    if channel.size_without_margin:
        # The shop looks at the product's longer side.
        width, height = measured.size_without_margin
        passed = max(width, height) >= min(channel.min_width, channel.min_height)
        words = f"{width:,} × {height:,} without the margin"
        allowed = f"{min(channel.min_width, channel.min_height):,} on the longer side, without the margin"
    else:
        width, height = measured.width, measured.height
        passed = width >= channel.min_width and height >= channel.min_height
        words, allowed = f"{width:,} × {height:,}", f"{channel.min_width:,} × {channel.min_height:,}"
    way_out = _enlarge(width, height, channel, channel.min_width, channel.min_height)
    message = "" if passed else f"Too small: {words}; {channel.title} wants at least {allowed}. {way_out}"
    return Finding("min_size", "Smallest size", passed, words, allowed, message)


def _enlarge(width: int, height: int, channel: Channel, wanted_width: int, wanted_height: int) -> str:
    factor = reach.factor(width, height, channel, wanted_width, wanted_height)
    if factor is None:
        return f"Even {max(FACTORS)} times larger it would be too small: find a larger picture."
    return f"Enlarge it {factor} times first." if factor > 1 else "Fitting gives it the margin that is missing."


def _bytes(measured: Measured, channel: Channel) -> list[Finding]:
    most, least = channel.most_bytes(measured.format), channel.min_bytes
    if most is None and least is None:
        return []
    has = in_bytes(measured.bytes)
    limits = [f"at least {in_bytes(least)}"] * bool(least) + [f"at most {in_bytes(most)}"] * bool(most)
    allowed = ", ".join(limits)
    message = ""
    if most is not None and measured.bytes > most:
        message = (
            f"The file has {has}; {channel.title} takes at most {in_bytes(most)}. At the lowest quality that a product "
            "bears it would still be larger: choose JPEG, or a smaller picture."
        )
    elif least is not None and measured.bytes < least:
        message = f"The file has {has}; {channel.title} wants at least {in_bytes(least)}. Use a larger picture."
    return [Finding("bytes", "Size of the file", not message, has, allowed, message)]


def _looks(measured: Measured, channel: Channel) -> list[Finding]:
    found = []
    if not channel.transparency:
        passed = not measured.is_transparent
        message = "" if passed else f"It is transparent; {channel.title} takes no transparency. Fitting fills it."
        found.append(
            Finding("transparency", "Transparency", passed, "none" if passed else "transparent", "none", message)
        )
    if channel.colour_space:
        named = measured.profile or "no profile, so sRGB"
        message = "" if measured.is_srgb else f"Its colours are in “{named}”, not in sRGB. Fitting converts them."
        found.append(Finding("colour_space", "Colour space", measured.is_srgb, named, channel.colour_space, message))
    if measured.is_grey:
        found.append(
            Finding("grey", "Channels", False, "grey", "RGB", "It is a picture in grey alone. Fitting makes it RGB.")
        )
    if channel.background == WHITE and not measured.is_transparent:
        found.append(_white(measured, channel))
    elif channel.background == LIGHT_GREY and not measured.is_transparent:
        found.append(_light_grey(measured, channel))
    if channel.fill:
        found.append(_fill(measured, channel.fill, channel))
    if channel.dpi:
        passed = measured.dpi is not None and measured.dpi > channel.dpi - 1
        has = f"{measured.dpi:g} dpi" if measured.dpi else "no resolution"
        message = (
            "" if passed else f"The file says {has}; {channel.title} wants at least {channel.dpi}. Fitting sets it."
        )
        found.append(Finding("dpi", "Resolution", passed, has, f"at least {channel.dpi} dpi", message))
    return found


def _white(measured: Measured, channel: Channel) -> Finding:
    passed = measured.white_share >= PURE_WHITE_SHARE
    red, green, blue = measured.edge
    words = f"{measured.white_share:.1%} of the edge is 255, 255, 255; its middle colour is {red}, {green}, {blue}"
    message = (
        ""
        if passed
        else f"The background is not white: {words}. Fitting whitens what is nearly white; else cut the "
        "product out, or photograph it on white."
    )
    return Finding("background", "Background", passed, words, f"white at {PURE_WHITE_SHARE:.1%} of the edge", message)


def _light_grey(measured: Measured, channel: Channel) -> Finding:
    low, high = LIGHT_GREY_LEVELS
    red, green, blue = measured.edge
    is_neutral = max(measured.edge) - min(measured.edge) <= 8
    passed = measured.is_edge_one_colour and is_neutral and low <= min(measured.edge) and max(measured.edge) <= high
    words = f"{red}, {green}, {blue}" + ("" if measured.is_edge_one_colour else " in the middle, not of one colour")
    message = (
        ""
        if passed
        else f"The background is {words}; {channel.title} wants a plain light grey, from {low} to {high}. Cut the "
        "product out: fitting lays a transparent picture on grey."
    )
    return Finding("background", "Background", passed, words, f"plain light grey, {low} to {high}", message)


def _fill(measured: Measured, wanted: float, channel: Channel) -> Finding:
    fill, allowed = measured.fill, f"at least {wanted:.0%} of the frame"
    if fill is None:
        message = "How much of the frame the product fills can't be measured, because nothing plain is around it."
        return Finding("fill", "Product in the frame", False, "not measurable", allowed, message)
    passed = fill >= wanted - 0.005
    message = (
        ""
        if passed
        else f"The product fills {fill:.0%} of the frame; {channel.title} wants at least {wanted:.0%}. Fitting "
        "trims the margin where that is asked for."
    )
    return Finding("fill", "Product in the frame", passed, f"{fill:.0%}", allowed, message)


def _privacy(measured: Measured) -> list[Finding]:
    found = [name for name, has in (("a place", measured.has_place), ("a serial number", measured.has_serial)) if has]
    told = _listed(found) or "nothing"
    message = f"The file tells {told}, which a shop passes on. Fitting takes it out." if found else ""
    return [Finding("private", "Places and serial numbers", not found, told, "nothing", message)]


def in_bytes(count: int | None) -> str:
    """A number of bytes for people."""
    count = count or 0
    return (
        f"{count / 1e6:.2f}".removesuffix(".00") + " MB"
        if count >= 1_000_000
        else f"{count / 1e3:.1f}".removesuffix(".0") + " KB"
        if count >= 1000
        else f"{count} bytes"
    )


def _listed(parts: list[str] | tuple[str, ...]) -> str:
    return ", ".join(parts[:-1]) + (" or " if len(parts) > 1 else "") + parts[-1] if parts else ""
