"""What a picture from the web is called: by its server, or else by its address."""

from __future__ import annotations

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from upscaler import file_names

_PARAMETER = re.compile(r""";\s*([A-Za-z0-9!#$&+.^_`|~-]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))""", re.DOTALL)
_EXTENDED = re.compile(r"([A-Za-z0-9-]*)'[^']*'(.*)", re.DOTALL)
_ENCODED_WORD = re.compile(r"(=\?[A-Za-z0-9-]+\?[BbQq]\?[^?]*\?=\s*)+")
_MAX_HEADER = 8000


def of_address(url: str) -> str:
    """The file name at the end of an address, or its host where it has none."""
    try:
        parts = urlsplit(url.strip())
        host = parts.hostname or ""
    except ValueError:
        return "picture"
    name = unquote(parts.path).rstrip("/").rpartition("/")[2]
    return file_names.cleaned(name, host or "picture")


def of_download(disposition: str, normal: str, first: str) -> str:
    """What to call what an address led to: ``normal`` is where it was in the end, ``first`` where the asking began.

    ``disposition`` is the answer's ``Content-Disposition``, as `http.client` reads it (Latin-1).
    """
    if name := of_disposition(disposition):
        return name
    last, given = of_address(normal), of_address(first)
    # A store of files often calls them by numbers alone. One of a share link's page knows no better.
    is_worse = not _has_name(normal) or (file_names.is_picture(given) and not file_names.is_picture(last))
    return given if is_worse and _has_name(first) else last


def of_disposition(header: str) -> str:
    """The file name that a ``Content-Disposition`` gives (RFC 6266 and what is sent in its place); "" for none.

    ``filename*`` before ``filename``; of that also raw UTF-8, encoded words of e-mail and percent signs, as browsers
    read them.
    """
    found: dict[str, str] = {}
    # Without a kind before it, it is still understood.
    header = header[:_MAX_HEADER]
    text = header if re.match(r"\s*[^;=\s]+\s*(;|$)", header) else f";{header}"
    for key, quoted, bare in _PARAMETER.findall(text):
        value = re.sub(r"\\(.)", r"\1", quoted) if quoted else bare.strip().strip("'\"")
        # A program on Windows that names a whole path escapes none of its backslashes.
        if quoted and re.match(r"[A-Za-z]:\\", quoted):
            value = quoted
        found.setdefault(key.lower(), value)
    name = _extended(found.get("filename*", "")) or _plain(found.get("filename", "") or found.get("name", ""))
    return file_names.cleaned(name, "") if name else ""


def _has_name(url: str) -> bool:
    return bool(urlsplit(url).path.strip("/"))


def _extended(value: str) -> str:
    match = _EXTENDED.fullmatch(value)
    if match is None:
        return _plain(value) if value else ""
    charset, text = match[1].lower() or "utf-8", match[2]
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode(charset)
    except (UnicodeError, LookupError):
        return ""


def _plain(value: str) -> str:
    raw = value.encode("latin-1", "replace")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = value
    if _ENCODED_WORD.fullmatch(text.strip()):
        try:
            return str(make_header(decode_header(text.strip())))
        except (HeaderParseError, UnicodeError, LookupError, ValueError):
            return text
    if "%" in text and text.isascii():
        try:
            return unquote_to_bytes(text).decode()
        except UnicodeDecodeError:
            return text
    return text
