"""What programs upload before they order it."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from upscaler.models.teams import Team


class UnorderedUpload(models.Model):
    """A stored picture that nobody has ordered yet. The row goes with the first order, or with the file."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="unordered_uploads")
    path = models.CharField(max_length=255, unique=True, help_text="The file's name in the picture storage.")
    file_size = models.PositiveBigIntegerField(help_text="Bytes.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (models.Index(fields=("team", "created_at"), name="unordered_upload_recent"),)

    def __str__(self) -> str:
        return self.path
