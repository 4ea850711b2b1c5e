"""A feed's file, whatever kind it is: what it turned out to be, and its entries one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from upscaler.errors import PublicError
from upscaler.feeds import delimited, text, workbook, xml_feed
from upscaler.feeds.entries import Entry, WrongEntry

ENDINGS = (".xml", ".rss", ".atom", ".csv", ".tsv", ".txt", ".gz", ".xlsx")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Feed:
    """An opened feed. Its entries are read once, in memory that does not grow with their number."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._found: list[str] = []

    @property
    def kind(self) -> str:
        """What it is, in words; empty before the first entry."""
        return self._found[0] if self._found else ""

    def __iter__(self) -> Iterator[Entry | WrongEntry]:
        """Every entry, good or bad, in the order of the feed.

        Raises PublicError: with the code ``cut_off`` where the feed ends in the middle, and what came before counts;
        with ``feed_empty``, ``feed_kind``, ``feed_dtd``, ``no_addresses`` and the like where nothing of it can be read.
        """
        self._file.seek(0)
        head = self._file.read(8)
        if not head:
            raise PublicError("The feed is empty: it has 0 bytes. Export it again.", code="feed_empty")
        if head.startswith(_OLE):
            raise _not_read("a workbook of Excel’s old kind (.xls)")
        if head.startswith(b"PK"):
            yield from delimited.of_rows(workbook.rows(self._file), self._found)
            return
        if head.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")):
            raise _not_read("a document or a picture")
        beginning = text.Source(self._file).stream.read(2000)
        if beginning.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
            raise _not_read("JSON")
        source = text.Source(self._file)
        if xml_feed.is_xml(beginning):
            self._found.append("XML")
            yield from xml_feed.read(source.stream)
        else:
            yield from delimited.read(source.stream, self._found)
        if source.fault is not None:
            raise source.fault


def _not_read(kind: str) -> PublicError:
    return PublicError(
        f"This is {kind}, which is not read as a feed. Send the product feed as XML (Google Merchant), CSV, TSV or "
        "XLSX.",
        code="feed_kind",
    )
