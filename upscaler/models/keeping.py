"""What the desk keeps, what it has let go of, and the record of it."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import formats, timezone

from upscaler.models.append_only import AppendOnly

DELETED = "This picture was deleted. Its files are gone for good."


def gone_by_rule(since: datetime) -> str:
    """What people are told in place of the files that a team's rule deleted then."""
    day = formats.date_format(timezone.localtime(since), "j F Y")
    return f"The files of this picture were deleted on {day} by the team’s rule."


class Kept(models.Model):
    """Whether an upscale is in the history, in the archive, or deleted, and by whom.

    ::

        kept ──► deleted by the team's rule: it stays in the history ──► deleted by a person
          └────────────────────────────────────────────────────────────────┘

    Only ``ordering.removal`` and ``ordering.retention`` write these columns.
    """

    archived_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when the history shows it only where it is asked for."
    )
    deleted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when its files are gone; the row stays for the ledger."
    )
    deleted_by_rule = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="By the team's rule and no person, so that the history still shows it.",
    )

    class Meta:
        abstract = True

    @property
    def why_deleted(self) -> str:
        """What people are told in place of its files; empty where nobody and no rule deleted them."""
        if self.deleted_at is None:
            return ""
        return gone_by_rule(self.deleted_at) if self.deleted_by_rule else DELETED

    @property
    def is_listed(self) -> bool:
        """Whether the history shows it: no person has deleted it."""
        return self.deleted_at is None or self.deleted_by_rule


class Erasure(AppendOnly):
    """That a person or a team was forgotten. It outlives both, so it names neither but by number."""

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        TEAM = "team", "Team"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    number = models.BigIntegerField(help_text="The person's or the team's.")
    counts = models.JSONField(default=dict, help_text="How many rows and files of each kind went.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    how = models.CharField(max_length=100, blank=True, help_text="In the admin, or the command.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.number} forgotten"
