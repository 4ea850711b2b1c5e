"""Puts … in the place of whatever opens something for whoever reads it: keys, tokens, links, passwords."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

HIDDEN = "…"
MIN_LENGTH = 8
"""Letters of a setting that is looked for: a shorter one would stand in ordinary words."""
PATTERNS = (
    # Addresses that open something by themselves: share links, invitations, signed files, hints, new passwords.
    (re.compile(r"(/(?:s|invitations|files|hints)/)[\w.:=~%-]{16,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(/accounts/forgotten/)[^/\s\"']+/[^/\s\"']+"), rf"\1{HIDDEN}"),
    # API tokens, webhooks' secrets and signatures.
    (re.compile(r"\b(ups_)[\w-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(whsec_)[\w+/=-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(v1,)[A-Za-z0-9+/]{40,}=*"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b((?:bearer|basic) )[\w.~+/=-]{8,}"), rf"\1{HIDDEN}"),
    # Names and passwords in addresses.
    (re.compile(r"((?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}://)[^/\s\"']+@"), rf"\1{HIDDEN}@"),
    (
        re.compile(
            r"(?i)((?:^|[?&\s\"'])(?:x-amz-[a-z-]+|signature|awsaccesskeyid|[a-z_]*token|code|state|[a-z_]*secret|"
            r"[a-z_]*password|[a-z_-]*key)=)[^&\s\"']+"
        ),
        rf"\1{HIDDEN}",
    ),
    # The same in JSON, in a mapping's text and in headers.
    (
        re.compile(r"(?i)((?:password|secret|secret_key|token|api[_-]?key)[\"']?: ?[\"']?)[^\s\"',}]{4,}"),
        rf"\1{HIDDEN}",
    ),
)

_known: set[str] = set()


def hide(*values: str | None) -> None:
    """Never let these values of settings be written, wherever they come from."""
    _known.update(value for value in values if value and len(value) >= MIN_LENGTH)


def redact(text: str) -> str:
    """The text with … in the place of each secret."""
    # The longest first: one may hold another.
    for value in sorted(_known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    for pattern, instead in PATTERNS:
        text = pattern.sub(instead, text)
    return text


def redact_all(value: Any) -> Any:
    """The same for every text in lists and mappings, however deep."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redact_all(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [redact_all(inner) for inner in value]
    return value
