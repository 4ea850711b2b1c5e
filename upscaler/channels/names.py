"""What files are called that go to a shop: by the channel's rule, in plain ASCII, no two alike.

A rule is text with fields in braces: ``{sku}``, ``{asin}``, ``{ean}``, ``{gtin}``, ``{number}`` (of the picture among
its product's, from 1), ``{view}`` (front, back ...; empty where none is known) and ``{amazon_view}`` (MAIN for the
first picture, then PT01, PT02 ...) and ``{more}`` (nothing for the first picture, then _1, _2 ...).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from upscaler.channels.table import Channel
from upscaler.errors import PublicError
from upscaler.picture_formats import FORMATS

FIELDS = ("sku", "asin", "ean", "gtin", "number", "view", "amazon_view", "more")
CODES = {"asin": "ASIN", "ean": "EAN", "gtin": "GTIN"}
"""The fields that a table of codes fills, with what people call them."""
MAX_PARTS = 99
"""Amazon's PT has two digits."""
MAX_STEM = 100
"""Characters of a name without its ending: many shops cut longer ones."""
_FIELD = re.compile(r"\{([a-z_]*)\}")


@dataclass(frozen=True)
class Codes:
    """A product's codes; empty where none is known."""

    asin: str = ""
    ean: str = ""
    gtin: str = ""


@dataclass(frozen=True)
class Picture:
    """What is known of a picture that is to be named."""

    sku: str
    view: str = ""
    fallback: str = ""
    """What it is called where there is no SKU: its own name without an ending."""


@dataclass(frozen=True)
class Name:
    """A picture's name for a channel, or why it has none."""

    name: str
    problem: str = ""
    """What is missing and what to do; empty where there is a name."""


def check_rule(rule: str) -> None:
    """Raises PublicError with code ``name_rule`` for a rule with unknown fields, signs that shops refuse, or none."""
    fields = _FIELD.findall(rule)
    unknown = [field for field in fields if field not in FIELDS]
    rest = _FIELD.sub("", rule)
    if unknown or not fields or not re.fullmatch(r"[A-Za-z0-9._-]*", rest):
        listed = ", ".join(f"{{{field}}}" for field in FIELDS)
        raise PublicError(
            f"“{rule[:60]}” is no rule for names. It is made of {listed}, plain letters, digits, dots, dashes and "
            "underscores, such as {sku}_{number}.",
            code="name_rule",
        )


def names(
    channel: Channel, pictures: Iterable[Picture], codes: Mapping[str, Codes], *, format_: str = "JPEG"
) -> list[Name]:
    """A name for each picture, in their order; the first of each SKU is number 1.

    ``codes``: by SKU. A picture whose rule needs a code that is not there has a problem in place of a name.
    """
    numbers: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    made = []
    for picture in pictures:
        numbers[picture.sku or picture.fallback] += 1
        number = numbers[picture.sku or picture.fallback]
        problem = _problem(channel, picture, number, codes.get(picture.sku, Codes()))
        if problem:
            made.append(Name("", problem))
            continue
        stem = _filled(channel.name_rule, picture, number, codes.get(picture.sku, Codes()))
        stem = stem[:MAX_STEM]
        taken[stem.lower()] += 1
        # Two SKUs may be the same in plain letters.
        if (times := taken[stem.lower()]) > 1:
            while f"{stem}-{times}".lower() in taken:
                times += 1
            stem = f"{stem}-{times}"
            taken[stem.lower()] += 1
        made.append(Name(stem + FORMATS[format_].extension))
    return made


def plain(text: str) -> str:
    """The text in ASCII: accents go, and what else no shop takes becomes a dash."""
    letters = text.replace("ß", "ss").replace("Æ", "AE").replace("æ", "ae").replace("Ø", "O").replace("ø", "o")
    ascii_ = unicodedata.normalize("NFKD", letters).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._]+", "-", ascii_).strip("-.")


def _problem(channel: Channel, picture: Picture, number: int, codes: Codes) -> str:
    fields = set(_FIELD.findall(channel.name_rule))
    named = f"“{picture.sku or picture.fallback}”"
    for field in fields & set(CODES):
        if not getattr(codes, field):
            if not picture.sku:
                return (
                    f"{named} has no SKU, so its {CODES[field]} for {channel.title} can't be looked up. Give it a SKU."
                )
            return (
                f"{named} has no {CODES[field]}, which {channel.title} wants in the name. Add it to the table of codes."
            )
    if "sku" in fields and not plain(picture.sku or picture.fallback):
        return f"{named} has no letter or digit that a name for {channel.title} may have. Give it an SKU that has."
    most = channel.max_number or (MAX_PARTS + 1 if "amazon_view" in fields else None)
    if most and number > most:
        return f"{named} has more pictures than {channel.title} has names for: {most}. Leave some out."
    if number > 1 and not fields & {"number", "amazon_view", "view", "more"}:
        return (
            f"{named} has several pictures, and the rule {channel.name_rule} has one name. Add {{number}} to the rule."
        )
    return ""


def _filled(rule: str, picture: Picture, number: int, codes: Codes) -> str:
    values = {
        "sku": plain(picture.sku or picture.fallback),
        "number": str(number),
        "view": plain(picture.view),
        "amazon_view": "MAIN" if number == 1 else f"PT{number - 1:02}",
        "more": f"_{number - 1}" if number > 1 else "",
        "asin": codes.asin,
        "ean": codes.ean,
        "gtin": codes.gtin,
    }
    return _FIELD.sub(lambda field: values[field[1]], rule).strip("-_.")


def code_problem(kind: str, text: str) -> str:
    """What is wrong with a code; empty for a sound one. ``kind``: a key of ``CODES``."""
    if re.fullmatch(r"\d(?:[.,]\d+)?E\+?\d{1,3}", text, re.IGNORECASE):
        return (
            f"The spreadsheet has rounded the {CODES[kind]} to {text}, so its last digits are lost. Format the column "
            "as text, put the codes in again, and save the file anew."
        )
    if kind == "asin":
        if re.fullmatch(r"[A-Z0-9]{10}", text):
            return ""
        return f"“{text[:40]}” is no ASIN: it has ten letters and digits, such as B01ABCDEFG."
    if not re.fullmatch(r"[0-9]{8}|[0-9]{12,14}", text):
        return f"“{text[:40]}” is no {CODES[kind]}: it has 8, 12, 13 or 14 digits. This one has {len(text)} characters."
    if not _check_digit_is_right(text):
        return f"The check digit of the {CODES[kind]} {text} is wrong: a digit was mistyped. Compare it with the label."
    return ""


def _check_digit_is_right(digits: str) -> bool:
    """GS1 General Specifications, 7.9: weights of 3 and 1 from the right."""
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(reversed(digits)))
    return total % 10 == 0
