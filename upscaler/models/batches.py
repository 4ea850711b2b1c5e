"""Batches: what is ordered together, and the drafts that they begin as."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from upscaler import picture_formats, upscaling_models
from upscaler.models.teams import ApiToken, Team


class Batch(models.Model):
    """What is ordered together.

    ::

        draft ──► ordered ──► ended

    A draft (``ordered_at`` is empty) keeps what somebody has chosen and not ordered: its pictures are `DraftItem` rows,
    and each person has one for each team. An ordered batch has its upscales, and ends with the last one of them.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="batches")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="batches"
    )
    token = models.ForeignKey(ApiToken, on_delete=models.SET_NULL, null=True, blank=True, related_name="batches")
    name = models.CharField(max_length=255, blank=True)
    reference = models.CharField(max_length=100, blank=True, default="", db_default="", help_text="A program's own.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    ordered_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the last of its upscales ended."
    )

    model_name = models.CharField(
        max_length=20, blank=True, choices=[(model.name, model.title) for model in upscaling_models.MODELS.values()]
    )
    settings = models.JSONField(default=dict, blank=True)
    requested_format = models.CharField(max_length=10, blank=True, choices=list(picture_formats.RESULT_FORMATS.items()))
    channels = models.JSONField(
        default=list, db_default=[], blank=True, help_text="Ids of the channels that files are made for."
    )
    fit_due_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When a worker is to be woken for channel files again; empty where none is lacking.",
    )
    webhook = models.ForeignKey(
        "WebhookEndpoint",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Who is told, beside the team's own.",
    )
    watched_folder = models.ForeignKey(
        "WatchedFolder",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="batches",
        help_text="Where its pictures came from by themselves.",
    )
    sku_pattern = models.CharField(max_length=255, blank=True, help_text="How the SKU stands in a file's name.")
    total = models.PositiveIntegerField(default=0, help_text="Upscales that were ordered.")
    credits = models.PositiveIntegerField(default=0, help_text="What they cost when they were ordered.")
    wants_email = models.BooleanField(default=False, help_text="Whoever ordered it wants an e-mail at its end.")

    idempotency_key = models.CharField(max_length=255, null=True, blank=True, editable=False)
    request_digest = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "batches"
        constraints = (
            models.UniqueConstraint(
                fields=("team", "created_by"), condition=Q(ordered_at__isnull=True), name="batch_one_draft_each"
            ),
            models.UniqueConstraint(
                fields=("team", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
                name="batch_idempotency_key_once",
            ),
        )
        indexes = (
            models.Index(fields=("team", "-id"), name="batch_team_newest"),
            models.Index(fields=("webhook",), condition=Q(webhook__isnull=False), name="batch_webhook"),
            models.Index(fields=("fit_due_at",), condition=Q(fit_due_at__isnull=False), name="batch_fit_due"),
        )

    def __str__(self) -> str:
        return self.name or f"Batch {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("batch", args=[self.pk])

    @property
    def is_draft(self) -> bool:
        """Not ordered yet."""
        return self.ordered_at is None


class DraftItem(models.Model):
    """One chosen picture of a draft, or why it can't be one. The row goes with the order, or with the draft."""

    class Source(models.TextChoices):
        UPLOAD = "upload", "Upload"
        URL = "url", "URL"
        RESULT = "result", "Earlier result"

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    key = models.CharField(
        max_length=80, help_text="What the page calls the file: sent again after a broken connection, it is one item."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    source = models.CharField(max_length=10, choices=Source.choices)
    name = models.CharField(max_length=255, blank=True, help_text="The file's own, whole.")
    folder = models.CharField(max_length=1000, blank=True, help_text="Where it lay, as in a/b; without its name.")
    origin = models.CharField(max_length=300, blank=True, help_text="The archive or the table's line it came from.")
    sku = models.CharField(max_length=100, blank=True)
    is_sku_typed = models.BooleanField(default=False, help_text="By a person or a table, so no pattern changes it.")

    url = models.TextField(blank=True)
    result = models.ForeignKey(
        "Upscale", on_delete=models.CASCADE, null=True, blank=True, related_name="+", help_text="An earlier result."
    )
    file = models.CharField(max_length=255, blank=True, help_text="Its name in the picture storage.")
    thumbnail = models.CharField(max_length=255, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, as displayed.")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, as displayed.")
    file_size = models.PositiveBigIntegerField(null=True, blank=True, help_text="Bytes.")
    digest = models.CharField(max_length=64, blank=True, help_text="SHA-256 of its bytes.")
    product_share = models.FloatField(
        null=True, blank=True, help_text="The product's longer side in the picture's, 0 to 1; empty until it is known."
    )

    source_facts = models.JSONField(
        null=True, blank=True, editable=False, help_text="What was found in the picture, for the time told."
    )

    problem = models.CharField(max_length=50, blank=True, help_text="The code of why it can't be enlarged.")
    problem_message = models.TextField(blank=True)
    is_anew = models.BooleanField(default=False, help_text="To be made once more, although the team has it.")
    is_enlarged = models.BooleanField(
        default=False, db_default=False, help_text="To be enlarged, although it is large enough for its channels."
    )

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("batch", "key"), name="draft_item_once"),)
        indexes = (
            models.Index(fields=("file",), condition=~Q(file=""), name="draft_item_file"),
            models.Index(fields=("thumbnail",), condition=~Q(thumbnail=""), name="draft_item_thumbnail"),
        )

    def __str__(self) -> str:
        return self.name or self.url
