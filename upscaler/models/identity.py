"""Which desk this is."""

from __future__ import annotations

import secrets
from functools import cache

from django.db import models


def new_identity() -> str:
    """A name that no other desk has."""
    return secrets.token_hex(16)


class DeskIdentity(models.Model):
    """The one row that tells this desk from every other, whatever keys and addresses they share.

    A copy of the database is the same desk.
    """

    identity = models.CharField(max_length=32, default=new_identity)

    class Meta:
        verbose_name_plural = "desk identity"

    def __str__(self) -> str:
        return self.identity


@cache
def desk_identity() -> str:
    """This desk's identity, read once in each process: every link that is made asks for it."""
    # The migration made the row; only `flush` can have taken it since.
    return DeskIdentity.objects.get_or_create(pk=1)[0].identity
