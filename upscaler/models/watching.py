"""Watched folders: where pictures come from by themselves, each file of theirs, and what is put back for it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from upscaler import picture_formats, result_names, upscaling_models
from upscaler.models.batches import Batch
from upscaler.models.teams import Team
from upscaler.models.upscales import Upscale


class WatchedFolder(models.Model):
    """A folder under one of the operator's roots, or a prefix in a bucket of S3, that workers look at again and again.

    The secret is kept in clear, because each call is signed with it; it is shown to nobody, and goes with the folder.
    """

    class Kind(models.TextChoices):
        FOLDER = "folder", "A folder of this desk’s machines"
        S3 = "s3", "A bucket of S3"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="watched_folders")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="In whose name it orders.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=Kind.choices)

    root = models.CharField(max_length=50, blank=True, help_text="The name of a root of WATCHED_ROOTS.")
    path = models.CharField(max_length=500, blank=True, help_text="Under the root, or the prefix in the bucket: a/b.")
    bucket = models.CharField(max_length=100, blank=True)
    endpoint = models.CharField(max_length=500, blank=True, help_text="The server’s address; empty for Amazon’s.")
    region = models.CharField(max_length=50, blank=True)
    access_key_id = models.CharField(max_length=200, blank=True)
    secret_key = models.CharField(max_length=500, blank=True, editable=False)

    model_name = models.CharField(
        max_length=20, choices=[(model.name, model.title) for model in upscaling_models.MODELS.values()]
    )
    settings = models.JSONField(default=dict, help_text="As they were chosen; without a factor the channels tell it.")
    result_format = models.CharField(max_length=10, blank=True, choices=list(picture_formats.RESULT_FORMATS.items()))
    channels = models.JSONField(default=list, help_text="Ids of the channels that files are made for.")
    sku_pattern = models.CharField(max_length=255, blank=True, help_text="How the SKU stands in a file's name.")
    put_to = models.CharField(max_length=500, help_text="In the folder: done. From the root on where it begins with /.")
    template = models.CharField(max_length=result_names.MAX_TEMPLATE_LENGTH, default=result_names.DEFAULT)
    daily_credits = models.PositiveIntegerField(null=True, blank=True, help_text="At most a day; empty for no limit.")

    off_since = models.DateTimeField(null=True, blank=True)
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    due_at = models.DateTimeField(default=timezone.now, editable=False, help_text="The next look.")
    lease_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="A worker has it until then.")
    looked_at = models.DateTimeField(null=True, blank=True, editable=False)
    found = models.PositiveIntegerField(default=0, editable=False, help_text="Files at the last look.")
    problem = models.TextField(blank=True, editable=False, help_text="Why it does not go on, for people.")
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Looks in a row that failed.")

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("due_at",), condition=Q(removed_at__isnull=True), name="watched_folder_due"),
            models.Index(fields=("team", "-id"), name="watched_folder_team"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> str:
        """Where it is, for people: ``studio/incoming`` or ``s3://bucket/incoming``."""
        within = f"/{self.path}" if self.path else ""
        return f"s3://{self.bucket}{within}" if self.kind == self.Kind.S3 else f"{self.root}{within}"


class WatchedFile(models.Model):
    """One version of a file, by its path and what tells it from others under the same path. Taken once.

    ::

        seen ──► ready ──► held ──► ordered: its upscale is there, made for it or before
          │        │         └────► refused: why is in ``problem``
          └────────┴──► (no row): changed or removed before it was taken

    A held file waits in a draft, its ``batch``, and becomes part of the batch with it.
    """

    class State(models.TextChoices):
        SEEN = "seen", "Seen"
        READY = "ready", "Next"
        HELD = "held", "Waiting"
        ORDERED = "ordered", "Ordered"
        REFUSED = "refused", "Refused"

    folder = models.ForeignKey(WatchedFolder, on_delete=models.CASCADE, related_name="files")
    key = models.CharField(max_length=64, help_text="SHA-256 of path and version.")
    path = models.TextField(help_text="Within the folder: a/b.jpg.")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    version = models.CharField(max_length=200, help_text="Size and time, or the ETag.")
    seen_at = models.DateTimeField(default=timezone.now, editable=False, help_text="First.")
    looked_at = models.DateTimeField(default=timezone.now, editable=False, help_text="Last, until it is taken.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.SEEN)
    problem = models.TextField(blank=True)
    batch = models.ForeignKey(Batch, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    number = models.PositiveIntegerField(default=0, help_text="Its place in the batch, from 1 on.")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of its bytes.")
    sku = models.CharField(max_length=100, blank=True)
    upscale = models.ForeignKey(Upscale, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("folder", "key"), name="watched_file_once"),)
        indexes = (
            models.Index(fields=("folder", "state", "id"), name="watched_file_state"),
            models.Index(fields=("folder", "-id"), name="watched_file_newest"),
        )

    def __str__(self) -> str:
        return self.path[:100]


class WatchedResult(models.Model):
    """What is put back for a file: its result, and a file for each channel. Put once each."""

    folder = models.ForeignKey(WatchedFolder, on_delete=models.CASCADE, related_name="results")
    file = models.ForeignKey(WatchedFile, on_delete=models.CASCADE, related_name="results")
    channel_id = models.CharField(max_length=40, blank=True, help_text="Empty for the result itself.")
    path = models.TextField(blank=True, help_text="Where it is, or is about to be: done/b.png.")
    put_at = models.DateTimeField(null=True, blank=True)
    is_given_up = models.BooleanField(default=False, help_text="It will not be put back; why is in the problem.")
    due_at = models.DateTimeField(default=timezone.now, editable=False)
    failures = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=("file", "channel_id"), name="watched_result_once"),)
        indexes = (
            models.Index(
                fields=("folder", "due_at"),
                condition=Q(put_at__isnull=True, is_given_up=False),
                name="watched_result_due",
            ),
        )

    def __str__(self) -> str:
        return self.path[:100] or f"Result {self.pk}"
