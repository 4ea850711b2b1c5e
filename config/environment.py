"""How settings are read from the environment: in their types, and with a sentence where a value is none."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from upscaler.numbers import whole_number

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if (BASE_DIR / ".env").is_file():
    env.read_env(BASE_DIR / ".env")

SWITCH_VALUES = {
    **dict.fromkeys(("true", "on", "yes", "y", "ok", "1"), True),
    **dict.fromkeys(("false", "off", "no", "n", "0"), False),
}


def one_of(name: str, default: str, allowed: tuple[str, ...]) -> str:
    """The variable ``name``, which must be one of ``allowed``. Raises ImproperlyConfigured."""
    value = env.str(name, default="").strip() or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}. It must be one of: {', '.join(allowed)}.")
    return value


def switch(name: str, default: bool) -> bool:
    """The variable ``name`` as true or false. Raises ImproperlyConfigured.

    An empty one is refused too: for some switches "on" is the safe guess, for others "off".
    """
    value = env.str(name, default=str(default)).strip()
    if value.lower() not in SWITCH_VALUES:
        raise ImproperlyConfigured(f"{name} is {value!r}. It must be true or false.")
    return SWITCH_VALUES[value.lower()]


def whole(name: str, default: int, minimum: int = 0) -> int:
    """The variable ``name`` as a whole number of at least ``minimum``. Raises ImproperlyConfigured."""
    raw = env.str(name, default="").strip() or str(default)
    try:
        value = whole_number(raw)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {raw!r}. It must be a whole number.") from None
    if value < minimum:
        raise ImproperlyConfigured(f"{name} is {value}. It must be at least {minimum}.")
    return value


def cache_folder(name: str) -> Path | None:
    """The folder that the variable ``name`` gives; the user's own cache without, none for ``off``."""
    raw = env.str(name, default="").strip()
    if raw == "off":
        return None
    if raw:
        return Path(raw).absolute()
    usual = env.str("XDG_CACHE_HOME", default="").strip()
    try:
        return (Path(usual) if usual else Path.home() / ".cache") / "upscaler"
    except RuntimeError:
        # A user without a home, as services have.
        return None


def networks(name: str, default: str) -> list[IPv4Network | IPv6Network]:
    """The variable ``name`` as addresses and networks with commas between them. Raises ImproperlyConfigured."""
    raw = env.str(name, default="").strip() or default
    try:
        return [ip_network(part.strip()) for part in raw.split(",") if part.strip()]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {raw!r}: {error}. It looks like 10.0.0.0/8,192.168.1.7.") from None


def ports(name: str, default: tuple[int, ...]) -> list[int]:
    """The variable ``name`` as a list of ports with commas between them. Raises ImproperlyConfigured."""
    raw = env.str(name, default="").strip() or ",".join(map(str, default))
    try:
        found = [whole_number(part.strip()) for part in raw.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < port < 65536 for port in found):
        raise ImproperlyConfigured(f"{name} is {raw!r}. It must be one or more ports, like 80,443.")
    return found


def watched_roots(name: str, *, apart_from: Path) -> dict[str, str]:
    """The variable ``name`` as roots of watched folders, ``name:/path`` with commas between them.

    Raises ImproperlyConfigured, also for one that overlaps ``apart_from``, where the desk keeps its own pictures.
    """
    shape = "It lists names and absolute paths, like studio:/srv/studio,shop:/mnt/shop/{team}."
    found: dict[str, str] = {}
    for part in env.list(name, default=[]):
        title, _, path = part.strip().partition(":")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,50}", title) or not path.startswith("/") or title in found:
            raise ImproperlyConfigured(f"{name} holds {part!r}. {shape}")
        fixed = Path(path.partition("{")[0])
        if fixed == Path("/") or fixed.is_relative_to(apart_from) or apart_from.is_relative_to(fixed):
            raise ImproperlyConfigured(
                f"{name} holds {path}, which overlaps {apart_from}, where the desk keeps its own pictures. {shape}"
            )
        found[title] = path
    return found


def s3_options(url: str) -> dict[str, Any]:
    """What `upscaler.storage.s3.S3Storage` needs, from a value of MEDIA_URL_S3."""
    # Never repeated in a message, because it holds the secret.
    shape = (
        "It must look like s3://KEY:SECRET@s3.eu-central-1.amazonaws.com/bucket/prefix?region=eu-central-1, or start "
        "with s3+http:// for a server without TLS; in the secret write / as %2F, + as %2B and @ as %40."
    )
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise ImproperlyConfigured(f"MEDIA_URL_S3 can't be read as an address. {shape}") from None
    schemes = {"s3": "https", "s3+https": "https", "s3+http": "http"}
    bucket, _, prefix = unquote(parts.path).strip("/").partition("/")
    for is_wrong, what in (
        (parts.scheme not in schemes, "does not start with s3:// or s3+http://"),
        (not parts.username or not parts.password, "does not name a key and its secret"),
        (not parts.hostname, "does not name a host"),
        (not bucket, "does not name a bucket"),
        (set(query) - {"region"} or parts.fragment, "has more after the ? than a region"),
    ):
        if is_wrong:
            raise ImproperlyConfigured(f"MEDIA_URL_S3 {what}. {shape}")
    in_host = re.fullmatch(r"s3\.([a-z0-9-]+)\.amazonaws\.com", parts.hostname or "")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return {
        "access_key": unquote(parts.username or ""),
        "secret_key": unquote(parts.password or ""),
        "endpoint_url": f"{schemes[parts.scheme]}://{host}{port}",
        "bucket_name": bucket,
        "location": prefix,
        "region_name": query["region"][0] if query else in_host[1] if in_host else "us-east-1",
    }
