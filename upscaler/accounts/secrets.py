"""Secrets that are shown once and stored as a hash: tokens, and the links of invitations."""

from __future__ import annotations

import hashlib
import secrets


def new_secret() -> str:
    """256 random bits, in letters that an address and a header take."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of a secret, and what it is found by."""
    # A plain hash is enough: no dictionary holds 256 random bits.
    return hashlib.sha256(secret.encode()).hexdigest()
