"""What files that the desk keeps say of themselves."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from upscaler.models.upscales import Upscale


class FileMark(models.Model):
    """What was read in one stored file, once: it never changes. Only ``storage.file_marks`` writes them.

    ::

        waiting ──► held by a worker (lease) ──► read (``read_at``): what it says, or why it says nothing in ``problem``
                       └► lease runs out: tried again, and given up after some attempts
    """

    class Problem(models.TextChoices):
        GONE = "gone", "The file is gone"
        UNREADABLE = "unreadable", "It could not be read"

    upscale = models.ForeignKey(Upscale, on_delete=models.CASCADE, related_name="file_marks")
    file = models.CharField(max_length=255, unique=True, help_text="Its name in the picture storage.")
    digest = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of its bytes; empty where it was not counted."
    )
    source_type = models.CharField(
        max_length=60, blank=True, help_text="IPTC’s DigitalSourceType, the mark of AI; empty where it has none."
    )
    credentials = models.BooleanField(default=False, help_text="Whether it holds Content Credentials.")
    problem = models.CharField(max_length=10, choices=Problem.choices, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="A worker holds it until then.")
    read_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("id",), condition=Q(read_at__isnull=True), name="file_mark_waiting"),)

    def __str__(self) -> str:
        return f"{self.file}: {self.problem or self.source_type or 'no mark'}"

    @property
    def is_read(self) -> bool:
        """Whether what it says is known."""
        return self.read_at is not None and not self.problem
