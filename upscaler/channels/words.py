"""A channel's rules in short words: for the page, and for the table in the manual."""

from __future__ import annotations

from collections.abc import Iterable

from upscaler.channels.check import in_bytes
from upscaler.channels.table import Channel
from upscaler.picture_formats import FORMATS


def ratio(channel: Channel) -> str:
    """``3:4``; empty where any is taken."""
    return f"{channel.ratio[0]}:{channel.ratio[1]}" if channel.ratio else ""


def least(channel: Channel) -> str:
    """``762 × 1,100``; empty for none."""
    if not channel.min_width:
        return ""
    return f"{channel.min_width:,} × {channel.min_height:,}" + " without margin" * channel.size_without_margin


def best(channel: Channel) -> str:
    """``1,801 × 2,600``; empty for none."""
    return f"{channel.best_width:,} × {channel.best_height:,}" if channel.best_width else ""


def most(channel: Channel) -> str:
    """``10,000 × 10,000``; empty for none."""
    sides = f"{channel.max_width:,} × {channel.max_height:,}" if channel.max_width else ""
    pixels = f"{channel.max_megapixels:g} MP" if channel.max_megapixels else ""
    return " or ".join(filter(None, (sides, pixels)))


def file(channel: Channel) -> str:
    """``JPEG, PNG; at most 2.00 MB``."""
    formats = ", ".join(FORMATS[name].title for name in channel.formats)
    limits = [f"at least {in_bytes(channel.min_bytes)}"] if channel.min_bytes else []
    limits += [f"at most {in_bytes(channel.max_bytes)}"] if channel.max_bytes else []
    limits += [f"{FORMATS[name].title} {in_bytes(limit)}" for name, limit in channel.max_bytes_by_format.items()]
    return "; ".join(filter(None, (formats, ", ".join(limits))))


def looks(channel: Channel) -> str:
    """``white background; sRGB; product fills 85 %``."""
    parts = [
        f"{channel.background} background" if channel.background else "",
        "may be transparent" if channel.transparency else "",
        channel.colour_space,
        f"product fills {channel.fill:.0%}" if channel.fill else "",
        f"at least {channel.dpi} dpi" if channel.dpi else "",
    ]
    return "; ".join(filter(None, parts))


def row(channel: Channel) -> dict[str, str]:
    """All of them, by column."""
    return {
        "ratio": ratio(channel),
        "least": least(channel),
        "best": best(channel),
        "most": most(channel),
        "file": file(channel),
        "looks": looks(channel),
        "names": channel.name_rule,
    }


def markdown(channels: Iterable[Channel]) -> str:
    """The table in the manual: a row for each channel."""
    lines = [
        "| channel | ratio | smallest | best | largest | file | picture | check with the shop; as of | compared |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in channels:
        words = row(one)
        cells = [f"{one.title} (`{one.id}`)"]
        cells += [words[name] for name in ("ratio", "least", "best", "most", "file", "looks")]
        cells.append(f"[{one.read_on.isoformat()}]({one.source})")
        cells.append(f"{one.compared_on.isoformat()}: {one.compared}" if one.compared_on else "no, from our notes")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
