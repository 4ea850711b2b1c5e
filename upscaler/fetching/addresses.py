"""Web addresses as people paste them: how each is asked for, and which lead where the desk does not go."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from urllib.parse import quote, urljoin, urlsplit

import idna
from django.conf import settings
from requests_hardened.ip_filter import EXTRA_BLOCKED_NET_RANGES

from upscaler.errors import PublicError

MAX_URL_LENGTH = 2000
MAX_SIGNED_URL_LENGTH = 8000
"""Of an address that a program made, whose signature may be long; most web servers take no longer one."""

_PARTS = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+))(?::([0-9]{0,5}))?")
# Parsers disagree on these in the part that names the host, and the one that connects is not the one that checks.
_AMBIGUOUS = re.compile(r"[\\@%\s\x00-\x20\x7f]")
_LINE_BREAKS = re.compile(r"[\t\r\n]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ENDS_AT_HOME = ("localhost", "local", "internal", "home.arpa")


def check_url(url: str, *, max_length: int = MAX_URL_LENGTH) -> None:
    """Refuse an address that can't be a public picture, without asking the network.

    Raises PublicError with code ``url_too_long``, ``url_parsing``, ``url_private`` or ``url_port``.
    """
    checked(url, max_length=max_length)


def checked(url: str, *, max_length: int = MAX_URL_LENGTH) -> str:
    """The `normal_form` of an address that `check_url` lets pass. Raises PublicError as it does."""
    if len(url) > max_length:
        raise PublicError(
            f"The address has {len(url):,} characters; the limit is {max_length:,}. "
            "Save the picture and upload the file instead.",
            code="url_too_long",
        )
    try:
        normal = normal_form(url)
    except ValueError:
        raise _no_address() from None
    host, port = place(normal)
    if is_allowed_private(normal):
        return normal
    if _is_plainly_private(host):
        raise private(host)
    if "." not in host and ":" not in host:
        raise _no_address()
    if port not in settings.FETCH_ALLOW_PORTS:
        allowed = " and ".join(str(allowed) for allowed in sorted(settings.FETCH_ALLOW_PORTS))
        raise PublicError(
            f"The address names port {port}, which we do not open: pictures are fetched through the ports {allowed} "
            "alone. Upload the file instead.",
            code="url_port",
        )
    return normal


def normal_form(url: str) -> str:
    """The address as a browser would ask for it: blanks and letters of any script encoded, the host in ASCII.

    Without fragment. Raises ValueError where it is no web address, or could be read in two ways.
    """
    match = _PARTS.fullmatch(url.strip())
    if match is None:
        raise ValueError("no web address")
    scheme, authority, path, query = match.groups()
    if _AMBIGUOUS.search(authority) or (found := _AUTHORITY.fullmatch(authority)) is None:
        raise ValueError("no host")
    v6, name, digits = found.groups()
    host = f"[{ipaddress.IPv6Address(v6)}]" if v6 else _ascii_host(name)
    port = int(digits) if digits else None
    if port is not None and not 0 < port < 65536:
        raise ValueError("no port")
    netloc = host if port is None or port == _default_port(scheme) else f"{host}:{port}"
    asked = "" if query is None else f"?{_encoded(query)}"
    return f"{scheme.lower()}://{netloc}{_encoded(path.replace(chr(92), '/')) or '/'}{asked}"


def next_place(normal: str, location: str) -> str:
    """Where a redirect leads, in its normal form. Raises PublicError."""
    with suppress(UnicodeError):
        # Headers are read as Latin-1, and mostly written in UTF-8.
        location = location.encode("latin-1").decode()
    try:
        return checked(urljoin(normal, location.strip()), max_length=MAX_SIGNED_URL_LENGTH)
    except (ValueError, PublicError) as error:
        if getattr(error, "code", "url_parsing") != "url_parsing":
            raise
        raise PublicError(
            f"{place(normal)[0]} leads on to something that is no web address. Upload the file instead.",
            code="url_parsing",
        ) from None


def place(normal: str) -> tuple[str, int]:
    """Host (an IPv6 address without its brackets) and port of an address in its normal form."""
    parts = urlsplit(normal)
    return parts.hostname or "", parts.port or _default_port(parts.scheme)


def is_allowed_private(normal: str) -> bool:
    """Whether the operator's settings name the address's host and port, so that it may be a private one."""
    host, port = place(normal)
    return bool({f"{host}:{port}", f"[{host}]:{port}"} & set(settings.FETCH_ALLOW_HOSTS))


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet's. Raises ValueError where the text is none."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip.is_site_local or ip.scope_id:
            return False
    # “Reserved” holds what wraps an IPv4 address (::127.0.0.1), the other ranges what translates into one.
    is_special = ip.is_multicast or ip.is_reserved or any(ip in network for network in EXTRA_BLOCKED_NET_RANGES)
    return ip.is_global and not is_special


def private(host: str) -> PublicError:
    """The refusal of an address inside a private network."""
    return PublicError(
        f"{host} is an address inside a private network, which we do not open. "
        "Give a public address, or upload the file instead.",
        code="url_private",
    )


def _no_address() -> PublicError:
    return PublicError(
        "This is not the address of a picture on the web. It must start with https:// or http:// and name a "
        "public host, like https://shop.example/shirt.jpg.",
        code="url_parsing",
    )


def _default_port(scheme: str) -> int:
    return 443 if scheme.lower() == "https" else 80


def _ascii_host(name: str) -> str:
    # Digits and dots of other scripts become plain ones here, so all checks come after it.
    host = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        # Browsers and the system's resolver read 127.1, 0x7f.1 and 2130706433 as the address 127.0.0.1.
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            raise ValueError("no IP address") from None
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("no host name")
    return host


def _encoded(part: str) -> str:
    # As browsers do: an address that was broken over two lines is one.
    part = _LINE_BREAKS.sub("", part)
    if _CONTROLS.search(part):
        raise ValueError("control characters")
    part = _STRAY_PERCENT.sub("%25", part)
    return quote(part, safe="/:@!$&'()*+,;=~%-._?|^[]")


def _is_plainly_private(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return host in _ENDS_AT_HOME or host.endswith(tuple(f".{end}" for end in _ENDS_AT_HOME))
