"""SKUs from the names that files have: by a pattern like ``{sku}_{colour}_{view}``, or by a regular expression.

Both are matched by RE2, in a time that grows with the name alone, whatever pattern a person writes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Any

import re2

from upscaler import file_names
from upscaler.errors import PublicError
from upscaler.ordering.forms import MAX_SKU_LENGTH

MAX_PATTERN_LENGTH = 200
EXPRESSION = "re:"
"""What a pattern begins with that is a regular expression."""
WHOLE_NAME = "{sku}"
ALLOWED = (
    "Write {sku} once where the SKU stands, other words in braces for what else changes, like {colour}, and * for "
    "anything: {sku}_{colour}_{view}, or {sku}_*."
)

_PARTS = re.compile(r"\{([^{}]*)\}|(\*+)|([{}])|([^{}*]+)")
_WORD = re.compile(r"[^\W\d][\w -]{0,30}")
_SAMPLE = 500
_MOST = 0.6
_SEPARATORS = "_- .#"
# Cameras, telephones and programs count their pictures; the numbers say nothing of the product.
_COUNTED = re.compile(
    r"(?:img|dsc[fn]?|_?mg|pict?|image|photo|bild|foto|pxl|dji|gopr|scan|screenshot|bildschirmfoto|whatsapp image|"
    r"unbenannt|untitled)[\s_-]*\d",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SkuPattern:
    """A compiled pattern."""

    pattern: str
    """As it was written."""
    meaning: str
    """In words, like “the part before the first _”."""
    _expression: Any = field(repr=False, compare=False)
    _group: int = field(repr=False, compare=False)
    _is_whole: bool = field(repr=False, compare=False)

    def sku_of(self, name: str) -> str:
        """The SKU in a file's name; empty where the pattern doesn't fit, or would give more than `MAX_SKU_LENGTH`."""
        stem = file_names.stem(file_names.cleaned(name, fallback=""))
        match = self._expression.fullmatch(stem) if self._is_whole else self._expression.search(stem)
        return _kept(match[self._group] or "") if match else ""

    def in_words(self, example_name: str) -> str:
        """What the pattern takes, with an example: “the part before the first _: 48220 from 48220_red_front.jpg”."""
        found = self.sku_of(example_name)
        return f"{self.meaning}: {found} from {example_name}" if found else f"{self.meaning}: none in {example_name}"


def compile(pattern: str, *, is_expression: bool = False) -> SkuPattern:
    """Read a pattern, or a regular expression (RE2's syntax) where it begins with ``re:`` or ``is_expression``.

    An expression gives its group called ``sku``, or else its first. Raises PublicError with code ``sku_pattern``.
    """
    pattern = pattern.strip()
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise _refusal(f"The pattern has {len(pattern):,} characters; the limit is {MAX_PATTERN_LENGTH}.")
    if not pattern.isprintable():
        raise _refusal("The pattern holds signs that nobody sees, such as line breaks.")
    if is_expression or pattern.startswith(EXPRESSION):
        return _of_expression(pattern)
    parts = _parts(pattern)
    _check(parts, pattern)
    expression = re2.compile(_written(parts), _options())
    return SkuPattern(pattern, _meaning(parts), expression, expression.groupindex["sku"], True)


def from_folder(folder: str) -> str:
    """The SKU that the innermost folder of ``a/b`` is called by; empty where there is none or it is too long."""
    return _kept(file_names.cleaned(folder.rstrip("/"), fallback=""))


def guess_pattern(names: Iterable[str]) -> str | None:
    """A pattern that fits most of the names; None where they tell nothing.

    So do names without any digit, and those that cameras give.
    """
    stems = [file_names.stem(name) for name in islice(names, _SAMPLE)]
    if not stems or 2 * sum(_COUNTED.match(stem) is not None for stem in stems) > len(stems):
        return None
    best, most = None, _MOST * len(stems)
    for separator in _SEPARATORS:
        parted = [stem.split(separator) for stem in stems]
        if 2 * sum(len(parts) > 1 for parts in parted) < len(stems):
            continue
        candidates = (
            (f"{{sku}}{separator}*", [parts[0] for parts in parted]),
            (f"*{separator}{{sku}}{separator}*", [parts[1] if len(parts) > 2 else "" for parts in parted]),
            (f"*{separator}{{sku}}", [parts[-1] if len(parts) > 1 else "" for parts in parted]),
        )
        for pattern, found in candidates:
            score = _likeness(found)
            if score > most:
                best, most = pattern, score
    if best is None and _likeness(stems) > most:
        return WHOLE_NAME
    return best


def _likeness(found: list[str]) -> float:
    """How many of the parts look like SKUs: with a digit, of some length, and not the same in all files."""
    counts = Counter(found)
    if len(found) > 2 and len(counts) == 1:
        return 0
    likely = sum(count for part, count in counts.items() if len(part) >= 3 and any(map(str.isdigit, part)))
    # Short runs of digits number the views.
    short = sum(count for part, count in counts.items() if len(part) == 3 and part.isdigit())
    return likely - 0.5 * short


def _of_expression(pattern: str) -> SkuPattern:
    written = pattern.removeprefix(EXPRESSION).strip()
    try:
        expression = re2.compile(written, _options())
    except re2.error as error:
        detail = error.args[0] if error.args else ""
        detail = detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
        raise _refusal(
            f"“{written}” is no regular expression that can be read ({detail}). Look-ahead and back references are not "
            r"known here. Write one like re:^(\d+)_",
            allowed="",
        ) from None
    if not expression.groups:
        raise _refusal(
            r"The regular expression says nowhere what the SKU is. Put that into round brackets: re:^(\d+)_", allowed=""
        )
    group = expression.groupindex.get("sku", 1)
    return SkuPattern(pattern, f"what {written} finds", expression, group, False)


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.dot_nl = True
    options.max_mem = 1 << 20
    return options


def _parts(pattern: str) -> list[tuple[str, str]]:
    """Kind (``word``, ``any``, ``text``) and content of each part."""
    parts: list[tuple[str, str]] = []
    for word, anything, brace, text in _PARTS.findall(pattern):
        if brace:
            raise _refusal(f"In “{pattern}” a brace is opened or closed without the other.")
        if anything:
            parts.append(("any", "*"))
        elif text:
            parts.append(("text", text))
        elif _WORD.fullmatch(word.strip()):
            parts.append(("word", word.strip().lower()))
        else:
            raise _refusal(f"“{{{word}}}” is no word in braces: it begins with a letter and has at most 31.")
    return parts


def _check(parts: list[tuple[str, str]], pattern: str) -> None:
    count = parts.count(("word", "sku"))
    if not count:
        raise _refusal(f"“{pattern}” says nowhere what the SKU is." if pattern else "The pattern is empty.")
    if count > 1:
        raise _refusal(f"{{sku}} stands {count} times in “{pattern}”.")
    for (kind, content), (next_kind, next_content) in pairwise(parts):
        if kind != "text" and next_kind != "text":
            between = " and ".join(f"{{{word}}}" if word != "*" else "*" for word in (content, next_content))
            raise _refusal(f"Nothing stands between {between}, so nobody can tell where one ends.")


def _written(parts: list[tuple[str, str]]) -> str:
    # In “{sku}_*” the name may also end at the SKU: the first picture of many is called by it alone.
    optional = len(parts) - 2 if _ends_open(parts) else len(parts)
    at_end = parts[-1] == ("word", "sku")
    written = []
    for number, (kind, content) in enumerate(parts):
        if number == optional:
            written.append("(?:")
        if kind == "text":
            written.append(re2.escape(content))
        elif kind == "any":
            written.append(".*" if at_end else ".*?")
        elif content == "sku":
            written.append("(?P<sku>.+?)")
        else:
            written.append(".+?")
    return "".join(written) + (")?" if optional < len(parts) else "")


def _ends_open(parts: list[tuple[str, str]]) -> bool:
    return [kind for kind, _ in parts[-3:]] == ["word", "text", "any"]


def _meaning(parts: list[tuple[str, str]]) -> str:
    at = parts.index(("word", "sku"))
    before = parts[at - 1][1] if at else ""
    after = parts[at + 1][1] if at + 1 < len(parts) else ""
    if not before and not after:
        return "the whole name"
    if at == 0:
        words = f"the part before the first {_shown(after)}"
        return f"{words}, or the whole name" if _ends_open(parts) and len(parts) == 3 else words
    if not after:
        if at == 1:
            return f"what follows {_shown(before)} at the beginning"
        is_last = any(kind == "any" for kind, _ in parts[:at])
        return f"the part after the last {_shown(before)}" if is_last else f"{_ordinal(parts, at)}, up to the end"
    return _ordinal(parts, at)


def _ordinal(parts: list[tuple[str, str]], at: int) -> str:
    texts = {content for kind, content in parts if kind == "text"}
    if len(texts) == 1 and parts[0][0] != "text":
        number = at // 2 + 1
        ending = {2: "nd", 3: "rd"}.get(number, "th")
        return f"the {number}{ending} part between {_shown(texts.pop())}"
    after = f" and before {_shown(parts[at + 1][1])}" if at + 1 < len(parts) else ""
    return f"the part after {_shown(parts[at - 1][1])}{after}"


def _shown(text: str) -> str:
    return "blank" if not text.strip() else text.strip()


def _kept(sku: str) -> str:
    sku = " ".join(sku.split())
    return sku if len(sku) <= MAX_SKU_LENGTH else ""


def _refusal(problem: str, *, allowed: str = ALLOWED) -> PublicError:
    return PublicError(f"{problem} {allowed}".strip(), code="sku_pattern")
