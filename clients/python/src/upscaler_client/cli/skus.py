"""SKUs for the files of a folder: from their names by a pattern, as the desk's own page reads them, or from a CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path, PurePosixPath

from upscaler_client.errors import UpscalerError

MAX_SKU_LENGTH = 100
EXPRESSION = "re:"
HELP = (
    "Write {sku} once where the SKU stands, other words in braces for what else changes, and * for anything: "
    "{sku}_{colour}_{view}, or {sku}_*. A regular expression begins with re:, a table ends in .csv."
)
FILE_TITLES, SKU_TITLES = ("file", "filename", "name", "path", "picture", "image"), ("sku", "article", "product")
SkuOf = Callable[[PurePosixPath], str]

_PARTS = re.compile(r"\{([^{}]*)\}|(\*)|([{}])|([^{}*]+)")


def reader(text: str) -> SkuOf:
    """What gives the SKU of a file by its path inside the folder, empty for none.

    ``text``: a pattern, ``re:`` and a regular expression, ``folder`` for the innermost folder's name, or the path of
    a CSV with a title line. Raises UpscalerError.
    """
    if not text:
        return lambda path: ""
    if text == "folder":
        return lambda path: _kept(path.parent.name)
    if text.lower().endswith(".csv"):
        return _of_table(Path(text))
    expression = _compiled(text.removeprefix(EXPRESSION)) if text.startswith(EXPRESSION) else re.compile(_written(text))
    if not expression.groups:
        raise UpscalerError(f"“{text}” says nowhere what the SKU is: put that into round brackets.")
    group: int | str = "sku" if "sku" in expression.groupindex else 1
    find = expression.search if text.startswith(EXPRESSION) else expression.fullmatch

    def of_name(path: PurePosixPath) -> str:
        found = find(path.stem)
        return _kept(found[group] or "") if found else ""

    return of_name


def _compiled(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UpscalerError(f"“{text}” is no regular expression that can be read: {error}.") from None


def _written(pattern: str) -> str:
    parts = [
        ("word" if word else "any" if anything else "text" if text else "brace", word or anything or text)
        for word, anything, _, text in _PARTS.findall(pattern.strip())
    ]
    words = [content.strip().lower() for kind, content in parts if kind == "word"]
    if words.count("sku") != 1 or any(kind == "brace" for kind, _ in parts):
        raise UpscalerError(f"“{pattern}” is no pattern for SKUs. {HELP}")
    if any(first != "text" and second != "text" for (first, _), (second, _) in pairwise(parts)):
        raise UpscalerError(f"In “{pattern}” nothing parts two things that may be anything. {HELP}")
    at_end = parts[-1][0] == "word" and parts[-1][1].strip().lower() == "sku"
    written = []
    for kind, content in parts:
        if kind == "text":
            written.append(re.escape(content))
        elif kind == "any":
            written.append(".*" if at_end else ".*?")
        else:
            written.append("(?P<sku>.+?)" if content.strip().lower() == "sku" else ".+?")
    # In “{sku}_*” the name may also end at the SKU: the first picture of many is called by it alone.
    if [kind for kind, _ in parts[-3:]] == ["word", "text", "any"]:
        written[-2:] = ["(?:", *written[-2:], ")?"]
    return "".join(written)


def _of_table(path: Path) -> SkuOf:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not in UTF-8"
        raise UpscalerError(f"“{path}” can't be read: {reason}.") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.DictReader(text.splitlines(), delimiter=delimiter)
    titles = {(title or "").strip().lower(): title for title in rows.fieldnames or ()}
    file_title = next((titles[title] for title in FILE_TITLES if title in titles), None)
    sku_title = next((titles[title] for title in SKU_TITLES if title in titles), None)
    if file_title is None or sku_title is None:
        raise UpscalerError(f"“{path}” needs a first line with the titles “file” and “sku”; it has: {head.strip()}")
    table = {(row[file_title] or "").strip().replace("\\", "/"): _kept(row[sku_title] or "") for row in rows}
    return lambda found: table.get(found.as_posix()) or table.get(found.name) or table.get(found.stem) or ""


def _kept(sku: str) -> str:
    sku = " ".join(sku.split())
    return sku if len(sku) <= MAX_SKU_LENGTH else ""
