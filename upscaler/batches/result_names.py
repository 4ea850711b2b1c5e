"""What results are called when they leave the desk: by a template, no two alike, and safe on Windows and macOS."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from upscaler import file_names
from upscaler.errors import PublicError

MAX_TEMPLATE_LENGTH = 200
MAX_PATH = 200
"""Characters: Windows takes 260, of which the folder that a ZIP is unpacked into needs some."""
MAX_FOLDER = 120
DEFAULT = "{name}"
WORDS = {
    "sku": "the SKU",
    "name": "the picture's own name",
    "model": "the model",
    "width": "the result's width in pixels",
    "height": "its height",
    "n": "the number in the batch",
    "id": "the upscale's number",
}
"""The words that a template knows, each with what it stands for."""

_PARTS = re.compile(r"\{([^{}]*)\}|([{}])|([^{}]+)")
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(?:\.|\Z)", re.IGNORECASE)
_SEPARATORS = " _-.,"
_MAX_PART = 40


class Facts(NamedTuple):
    """What is known of one result."""

    name: str
    """The source file's own name, whole."""
    ending: str
    """Of the result's file, like ``.png``."""
    sku: str = ""
    model: str = ""
    width: int | None = None
    """Pixels of the result."""
    height: int | None = None
    n: int = 0
    id: int | str = ""
    folder: str = ""
    """That the source lay in, like ``a/b``."""


@dataclass(frozen=True)
class ResultTemplate:
    """A compiled template."""

    template: str
    """As it was written."""
    _parts: tuple[tuple[bool, str], ...]
    _digits: int

    def name_of(self, facts: Facts) -> str:
        """The name with its ending, safe as a part of a path. Words without a value leave no separators behind."""
        stem = "".join(self._value(facts, content) if is_word else content for is_word, content in self._parts)
        if any(is_word and not self._value(facts, content) for is_word, content in self._parts):
            stem = re.sub(r"([_\-.,]) *[_\-.,]+", r"\1", stem).strip(_SEPARATORS)
        stem = stem.strip() or file_names.stem(facts.name) or str(facts.id) or "picture"
        return safe_part(f"{stem}{facts.ending}")

    def _value(self, facts: Facts, word: str) -> str:
        if word == "name":
            return file_names.stem(facts.name)
        if word == "n":
            return str(facts.n).zfill(self._digits)
        value = getattr(facts, word)
        return "" if value is None else str(value)


def compile(template: str, *, total: int = 0) -> ResultTemplate:
    """Read a template. ``total`` is how many results there are: ``{n}`` has as many digits. An ending is left out.

    Raises PublicError with code ``result_template``.
    """
    given = template = template.strip()
    if len(template) > MAX_TEMPLATE_LENGTH:
        raise _refusal(f"The template has {len(template):,} characters; the limit is {MAX_TEMPLATE_LENGTH}.")
    template = file_names.stem(template).strip() if template.rpartition(".")[0] else template
    if not template:
        raise _refusal("The template is empty.")
    parts: list[tuple[bool, str]] = []
    for word, brace, text in _PARTS.findall(template):
        if brace:
            raise _refusal(f"In “{given}” a brace is opened or closed without the other.")
        if text:
            if found := _FORBIDDEN.search(text):
                shown = found[0] if found[0].isprintable() else "a sign that nobody sees"
                raise _refusal(f"“{given}” holds {shown}, which no name of a file may have on Windows.")
            parts.append((False, text))
        elif word.strip().lower() in WORDS:
            parts.append((True, word.strip().lower()))
        else:
            raise _refusal(f"“{{{word}}}” is no word that a template knows.")
    if not any(is_word for is_word, _ in parts):
        raise _refusal(f"With “{given}” all results would be called the same.")
    return ResultTemplate(given, tuple(parts), len(str(total)) if total else 1)


def unique_names(
    template: ResultTemplate, results: Iterable[Facts], *, keep_folders: bool, reserved: Iterable[str] = ()
) -> Iterator[str]:
    """The path of each result in a ZIP, one after the other: at most `MAX_PATH` characters, no two alike.

    Names are compared as Windows and macOS do, without regard to case or to how accents are written. ``reserved``:
    other names at the top, such as the manifest's. Linear in time; it remembers every name.
    """
    taken = _Taken(reserved)
    for facts in results:
        folder = taken.folder(facts.folder) if keep_folders else ""
        yield taken.path(folder, template.name_of(facts))


def safe_part(name: str) -> str:
    """The name as one part of a path that Windows, macOS and Linux all take, at most 255 bytes of it."""
    name = file_names.cleaned(_FORBIDDEN.sub("_", name), fallback="_")
    name = name.strip().rstrip(". ") or "_"
    if _DEVICE.match(name):
        name = f"_{name}"
    return file_names.for_file_system(name)


class _Taken:
    """The names that were given out."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._files = {_compared(name) for name in reserved}
        self._next: dict[str, int] = {}
        self._folders: dict[str, str] = {}
        self._kept: dict[str, str] = {}

    def path(self, folder: str, name: str) -> str:
        stem, dot, ending = name.rpartition(".")
        if not stem:
            stem, dot, ending = name, "", ""
        room = MAX_PATH - len(folder) - 1
        path = _joined(folder, _cut(stem, "", dot + ending, room))
        compared = _compared(path)
        number = self._next.get(compared, 2)
        first = compared
        while compared in self._files or compared in self._folders:
            path = _joined(folder, _cut(stem, f" ({number})", dot + ending, room))
            compared = _compared(path)
            number += 1
        self._next[first] = number
        self._files.add(compared)
        return path

    def folder(self, given: str) -> str:
        """The safe path of a folder, of which the first spelling counts."""
        if given not in self._kept:
            path = ""
            for part in _short_folder(given):
                path = self._inner_folder(path, part)
            self._kept[given] = path
        return self._kept[given]

    def _inner_folder(self, outer: str, part: str) -> str:
        path, number = _joined(outer, part), 2
        while (compared := _compared(path)) in self._files:
            path = _joined(outer, f"{part} ({number})")
            number += 1
        return self._folders.setdefault(compared, path)


def _short_folder(folder: str) -> list[str]:
    parts = [safe_part(part) for part in re.split(r"[/\\]+", folder) if part.strip(". ")]
    if len("/".join(parts)) > MAX_FOLDER:
        # The outermost and the innermost tell most.
        parts = [safe_part(file_names.shortened(part, max_length=_MAX_PART)) for part in (*parts[:1], *parts[1:][-1:])]
    return parts


def _cut(stem: str, suffix: str, ending: str, room: int) -> str:
    max_bytes = file_names.MAX_BYTES - len(suffix)
    name = file_names.shortened(f"{stem}{ending}", max_length=room - len(suffix), max_bytes=max_bytes)
    if not suffix:
        return name
    kept = name.removesuffix(ending) if ending else name
    return f"{kept}{suffix}{ending}"


def _compared(path: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _refusal(problem: str) -> PublicError:
    words = ", ".join(f"{{{word}}}" for word in WORDS)
    return PublicError(
        f"{problem} Write a name with some of these words in it: {words}, like {{sku}}_{{width}}x{{height}}. The "
        "file's ending is added.",
        code="result_template",
    )
