"""Product feeds in XML, one product at a time: Google Merchant's RSS and Atom, and others that are built alike.

https://support.google.com/merchants/answer/7052112 has Google's names. Each product is cut out of the text and read by
itself. So one that is broken stops none of the others, and no more than one is held in memory.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import IO
from xml.etree.ElementTree import Element, ParseError, fromstring

from upscaler import column_titles
from upscaler.errors import PublicError
from upscaler.feeds import text
from upscaler.feeds.entries import Entry, WrongEntry, entry, is_address, shown

CHUNK = 1 << 17
MAX_PRODUCT = 1_000_000
"""Characters of one product; Google's descriptions have 5,000."""
MAX_HEAD = 1_000_000
"""Characters before the first product."""
MAX_TAG = 2_000
"""Characters of the tag that begins a product."""
MAX_MARK = 100
NAMES = ("item", "entry", "product", "offer", "SHOPITEM", "Product", "article")
"""The elements that hold a product: RSS, Atom, and what shops' own exports call them."""

_BEGINNING = re.compile(rf"<((?:[A-Za-z_][\w.-]*:)?(?:{'|'.join(NAMES)}))(?=[\s/>])")
_DECLARATION = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_NAMESPACE = re.compile(r"xmlns:([A-Za-z_][\w.-]*)\s*=\s*[\"']([^\"'<&]{0,300})[\"']")
_PREFIX = re.compile(r"</?([A-Za-z_][\w.-]*):|\s([A-Za-z_][\w.-]*):[\w.-]+\s*=")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_STRAY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});)(?:([A-Za-z][A-Za-z0-9]{1,30});)?")
_CLOSING = {"<![CDATA[": "]]>", "<!--": "-->"}
_plain = lru_cache(maxsize=2_000)(column_titles.plain)
_GOOGLE = "http://base.google.com/ns/1.0"


def is_xml(head: str) -> bool:
    """Whether a text that begins like this is XML."""
    return head.lstrip("\ufeff \t\r\n").startswith("<")


def read(source: IO[str]) -> Iterator[Entry | WrongEntry]:
    """Every product, good or bad.

    Raises PublicError with the code ``feed_dtd`` or ``feed_kind`` before the first, and `text.CutOff` at the end of a
    feed that ends in the middle.
    """
    cutter = _Cutter(source)
    head = cutter.head()
    _check_head(head)
    spaces = {"g": _GOOGLE, **dict(_NAMESPACE.findall(head))}
    number = 0
    for number, product in enumerate(cutter.products(), 1):
        if product is None:
            message = f"This product has more than {MAX_PRODUCT:,} characters, which no product has. It was left out."
            yield WrongEntry(number, "row_too_long", message)
            continue
        yield _product(number, product, spaces)
    if not cutter.is_whole:
        raise text.cut_off(number)
    if not number:
        raise PublicError(
            "This is XML without products: a feed has them as <item> (RSS) or <entry> (Atom). Send the product feed "
            "that you give to Google Merchant Center, or a CSV.",
            code="feed_kind",
        )


def _check_head(head: str) -> None:
    if re.search(r"<(!doctype\s+)?html[\s>]", head[:2000], re.IGNORECASE):
        raise PublicError(
            "This is a web page, not a feed. Send the address or the file of the product feed itself.",
            code="feed_kind",
        )
    if found := _DECLARATION.search(head):
        raise PublicError(
            f"The feed begins with a <!{found[1].upper()}>, by which a small file can grow to fill a computer, so it "
            "is not read. No product feed needs one: take that part out, and send it again.",
            code="feed_dtd",
        )


class _Cutter:
    """Cuts the products out of a text, of which it holds what it has not given out."""

    def __init__(self, source: IO[str]) -> None:
        self._source, self._text = source, ""
        self._begin = self._at = 0
        self.is_whole = True

    def head(self) -> str:
        """All before the first product. Raises PublicError where there is too much of it."""
        while (found := _BEGINNING.search(self._text)) is None and len(self._text) <= MAX_HEAD:
            if not self._more():
                return self._text
        if found is None:
            raise PublicError(
                f"There is no product in the first {MAX_HEAD:,} characters of this XML. A feed has them as <item> "
                "(RSS) or <entry> (Atom).",
                code="feed_kind",
            )
        return self._text[: found.start()]

    def products(self) -> Iterator[str | None]:
        """The text of each product; None for one that is too long."""
        while (name := self._next()) is not None:
            is_kept = self._skip(name)
            if not self.is_whole:
                return
            yield self._text[self._begin : self._at] if is_kept else None

    def _next(self) -> str | None:
        """Go to where the next product begins, and return what its element is called; None behind the last one."""
        while (found := _BEGINNING.search(self._text, self._at)) is None:
            # A beginning may be cut in two here.
            self._at = self._begin = max(self._at, len(self._text) - MAX_TAG)
            if not self._more():
                # What closes the feed must stand behind its last product.
                self.is_whole = "</" in self._text[self._at :]
                return None
        self._at = self._begin = found.start()
        return found[1]

    def _skip(self, name: str) -> bool:
        """Go to where the product ends; False where it is too long to be kept. Notes where the text ends before."""
        while (end := self._text.find(">", self._at)) < 0:
            if len(self._text) - self._begin > MAX_TAG or not self._more():
                self.is_whole = len(self._text) - self._begin > MAX_TAG
                self._at += 1
                return False
        self._at = end + 1
        if self._text[end - 1] == "/":
            return True
        marks, depth, closing, is_kept = _marks(name), 1, "", True
        while True:
            if closing:
                place = self._text.find(closing, self._at)
                if place >= 0:
                    self._at, closing = place + len(closing), ""
                    continue
            elif found := marks.search(self._text, self._at):
                self._at = found.end()
                closing = _CLOSING.get(found[0], "")
                if not closing:
                    depth += -1 if found[0].startswith("</") else 1
                if depth == 0:
                    return is_kept
                continue
            self._at = max(self._at, len(self._text) - MAX_MARK)
            if self._at - self._begin > MAX_PRODUCT:
                # Its end is looked for all the same, and nothing of it is kept.
                is_kept, self._begin = False, self._at
            if not self._more():
                self.is_whole = False
                return False

    def _more(self) -> bool:
        piece = self._source.read(CHUNK)
        begin = min(self._begin, self._at)
        self._text = self._text[begin:] + _CONTROLS.sub("", piece)
        self._at, self._begin = self._at - begin, self._begin - begin
        return bool(piece)


def _marks(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!\[CDATA\[|<!--|</{re.escape(name)}\s*>|<{re.escape(name)}(?=[\s/>])")


def _product(number: int, product: str, spaces: dict[str, str]) -> Entry | WrongEntry:
    try:
        element = _parsed(product, spaces)
    except ParseError as error:
        line, column = error.position
        return WrongEntry(
            number,
            "row_damaged",
            f"This product is not well-formed XML: line {line:,}, column {column:,} of it. Mend it in the shop system, "
            "and export the feed again.",
            shown(html.unescape(re.sub(r"<[^>]*>", " ", product))),
        )
    google: dict[str, str] = {}
    fields: list[tuple[str, str]] = []
    for child in element.iter():
        space, _, name = child.tag.rpartition("}")
        value = (child.text or "").strip()
        if not value:
            value = child.get("href", "") if name == "link" else ""
        if value and child is not element:
            fields.append((name, value))
            if space == f"{{{_GOOGLE}":
                google.setdefault(name, value)
    return _of_fields(number, fields, google, element.get("id", ""))


def _of_fields(number: int, fields: list[tuple[str, str]], google: dict[str, str], own_id: str) -> Entry | WrongEntry:
    first: dict[str, str] = {}
    for name, value in fields:
        first.setdefault(_plain(name), value)
    main = google.get("image_link") or first.get("imagelink", "")
    urls = [main] if main else []
    urls += [value for name, value in fields if _is_picture(name) and value != main and is_address(value)]
    if not urls:
        # It is kept, and refused by name.
        urls = [value for name, value in fields if _is_picture(name)][:1]
    if main:
        sku = google.get("id") or first.get("id", "")
    else:
        known = sorted((column_titles.SKUS[name], value) for name, value in first.items() if name in column_titles.SKUS)
        sku = known[0][1] if known else own_id
    title = google.get("title") or next((first[name] for name in column_titles.NAMES if name in first), "")
    return entry(number, sku=sku, title=title, urls=urls)


def _is_picture(name: str) -> bool:
    return name != "lifestyle_image_link" and column_titles.is_picture(_plain(name))


def _parsed(product: str, spaces: dict[str, str]) -> Element:
    # Without defusedxml, which here would take ten times as long: what it guards against is declared before a
    # document's first element, and this is the inside of one, where a parser takes such a declaration for an error.
    whole = _wrapped(product, spaces)
    try:
        return fromstring(whole)[0]  # noqa: S314
    except ParseError:
        mended = _STRAY.sub(_unescaped, product)
        if mended == product:
            raise
        return fromstring(_wrapped(mended, spaces))[0]  # noqa: S314


def _wrapped(product: str, spaces: dict[str, str]) -> str:
    used = {first or second for first, second in _PREFIX.findall(product)} - {"xml", "xmlns"}
    declared = "".join(f' xmlns:{prefix}="{spaces.get(prefix, prefix)}"' for prefix in sorted(used))
    return f"<feed{declared}>{product}</feed>"


def _unescaped(found: re.Match[str]) -> str:
    """A stray & of an address, or a name that only web pages know (&nbsp;), as XML has it."""
    if found[1]:
        known = html.unescape(found[0])
        if known != found[0]:
            return html.escape(known)
        return f"&amp;{found[1]};"
    return "&amp;"
