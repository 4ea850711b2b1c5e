"""Links that people share lead to a page. Where the service says how to ask for the file itself, that is asked for."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

_DRIVE_FILE = re.compile(r"/file/(?:u/[0-9]+/)?d/([\w-]+)")

_DRIVE = "In Google Drive, set the picture’s sharing to “Anyone with the link” and copy the link of that one picture."
_SHAREPOINT = "Share the picture with “Anyone with the link”, and copy the link of that one picture."
_NO_WAY = "{} hands out pictures through its own pages alone: download the picture there, and upload the file here."
_WORDS = {
    "dropbox.com": "In Dropbox, copy the link of the one picture, not of its folder.",
    "drive.google.com": _DRIVE,
    "docs.google.com": _DRIVE,
    "drive.usercontent.google.com": _DRIVE,
    "sharepoint.com": _SHAREPOINT,
    "onedrive.live.com": _NO_WAY.format("OneDrive"),
    "1drv.ms": _NO_WAY.format("OneDrive"),
    "box.com": "In Box, open the link’s settings and copy the “Direct Link”; where there is none, download the picture "
    "and upload the file here.",
    "wetransfer.com": _NO_WAY.format("WeTransfer"),
    "we.tl": _NO_WAY.format("WeTransfer"),
    "photos.google.com": _NO_WAY.format("Google Photos"),
    "photos.app.goo.gl": _NO_WAY.format("Google Photos"),
    "icloud.com": _NO_WAY.format("iCloud"),
}


def direct(normal: str) -> str:
    """The address of the file that a share link in its normal form shows; any other address as it is.

    Dropbox (``dl=1``), Google Drive (as its API's ``webContentLink``), SharePoint and OneDrive for work
    (``download=1``), GitHub (``/raw/``) and Wikimedia (``Special:FilePath``).
    """
    parts = urlsplit(normal)
    host, path, query = parts.netloc, parts.path, parts.query
    if _is_of(host, "dropbox.com") and path.startswith(("/s/", "/scl/fi/")):
        query = _with(query, "dl", "1", without=("raw",))
    elif host == "drive.google.com" and (file_id := _drive_id(path, query)):
        key = dict(parse_qsl(query)).get("resourcekey")
        path, query = "/uc", urlencode({"export": "download", "id": file_id, **({"resourcekey": key} if key else {})})
    elif host.endswith(".sharepoint.com") and path.startswith("/:"):
        query = _with(query, "download", "1")
    elif host == "github.com" and "/blob/" in path:
        path = path.replace("/blob/", "/raw/", 1)
    elif host.endswith((".wikimedia.org", ".wikipedia.org")) and path.startswith("/wiki/File:"):
        path = path.replace("/wiki/File:", "/wiki/Special:FilePath/", 1)
    else:
        return normal
    return urlunsplit((parts.scheme, host, path, query, ""))


def words(*hosts: str) -> str:
    """What people can do with a link of one of these services; empty for any other host."""
    return next((text for host in hosts for service, text in _WORDS.items() if _is_of(host, service)), "")


def _drive_id(path: str, query: str) -> str:
    if match := _DRIVE_FILE.match(path):
        return match.group(1)
    return dict(parse_qsl(query)).get("id", "") if path == "/open" else ""


def _with(query: str, key: str, value: str, without: tuple[str, ...] = ()) -> str:
    # The rest stays as it is written: it may be signed.
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in (key, *without)]
    return "&".join([*kept, f"{key}={value}"])


def _is_of(host: str, service: str) -> bool:
    return host == service or host.endswith(f".{service}")
