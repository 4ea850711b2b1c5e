"""Links that show a comparison or a batch to people without an account."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from upscaler.models.batches import Batch
from upscaler.models.teams import Team
from upscaler.models.upscales import Upscale


class ShareLink(models.Model):
    """One link, for one upscale or for one batch. Only a hash of its secret part is stored.

    Only ``upscaler.sharing.links`` writes it. It does not end with its maker's membership: an admin revokes it.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="share_links")
    upscale = models.ForeignKey(Upscale, on_delete=models.CASCADE, null=True, blank=True, related_name="share_links")
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, null=True, blank=True, related_name="share_links")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    label = models.CharField(max_length=100, help_text="What whoever opens it reads above the pictures.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    may_decide = models.BooleanField(default=False, help_text="Whoever has it may approve and reject.")
    may_download = models.BooleanField(default=False, help_text="Whoever has it may take the results.")
    opens = models.PositiveIntegerField(default=0, editable=False, help_text="Counted once a minute at most.")
    last_opened_at = models.DateTimeField(null=True, blank=True, editable=False)
    form_key = models.UUIDField(
        null=True, blank=True, editable=False, help_text="Of the form that it was made with, which makes one link."
    )

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(upscale__isnull=False, batch__isnull=True) | Q(upscale__isnull=True, batch__isnull=False),
                name="share_link_of_one_thing",
            ),
            models.UniqueConstraint(
                fields=("team", "form_key"), condition=Q(form_key__isnull=False), name="share_link_once_per_form"
            ),
        )
        indexes = (models.Index(fields=("team", "-id"), name="share_link_team_newest"),)

    def __str__(self) -> str:
        return f"{self.label} ({self.team})"
