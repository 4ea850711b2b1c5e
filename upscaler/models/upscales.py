"""Upscales: the submitted jobs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Any, ClassVar

from django.conf import settings
from django.core.files.storage import Storage, default_storage
from django.db import models
from django.db.models import Count, Q
from django.db.models.fields.files import FieldFile
from django.urls import reverse
from django.utils import timezone

from upscaler import picture_formats, result_names, upscaling_models
from upscaler.models.batches import Batch
from upscaler.models.keeping import Kept
from upscaler.models.reviews import WITHDRAWN, Reviewed
from upscaler.models.search_text import SearchTextField
from upscaler.models.teams import ApiToken, Team
from upscaler.models.upscale_indexes import INDEXES
from upscaler.models.upscale_queries import UpscaleQuerySet


def media_storage() -> Storage:
    """The storage of pictures: a folder or S3. A callable, so that migrations do not freeze it."""
    return default_storage


class Upscale(Reviewed, Kept):
    """One submitted job; the API's "generation".

    ::

        Created ──► Ongoing ──► Done
           │           │
           └───────────┴──────► Error

    Done and Error are final. Only ``upscaler.processing.lifecycle`` changes the status.
    """

    class Status(models.TextChoices):
        CREATED = "Created", "Waiting"
        ONGOING = "Ongoing", "In progress"
        DONE = "Done", "Ready"
        ERROR = "Error", "Failed"

    OPEN: ClassVar[tuple[str, ...]] = (Status.CREATED, Status.ONGOING)
    FINAL: ClassVar[tuple[str, ...]] = (Status.DONE, Status.ERROR)

    class Source(models.TextChoices):
        UPLOAD = "upload", "Upload"
        URL = "url", "URL"
        RESULT = "result", "Earlier result"

    class Engine(models.TextChoices):
        LOCAL = "local", "Local"
        UWEAR = "uwear", "Uwear"
        FIT = "fit", "Only fitted"

    MODEL_CHOICES: ClassVar[list[tuple[str, str]]] = [
        (model.name, model.title) for model in upscaling_models.MODELS.values()
    ]

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="upscales")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="upscales"
    )
    token = models.ForeignKey(ApiToken, on_delete=models.SET_NULL, null=True, blank=True, related_name="upscales")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    completed_at = models.DateTimeField(null=True, blank=True, editable=False)

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, null=True, blank=True, related_name="upscales")
    sku = models.CharField(max_length=100, blank=True, help_text="The shop's name of the product.")
    reference = models.CharField(max_length=100, blank=True, default="", db_default="", help_text="A program's own.")

    source = models.CharField(max_length=10, choices=Source.choices)
    source_folder = models.CharField(
        max_length=1000, blank=True, help_text="Where the file lay when it was chosen, as in a/b."
    )
    source_name = models.CharField(max_length=255, blank=True, help_text="The file name that people know it by.")
    search_text = SearchTextField(blank=True, default="", editable=False)
    source_url = models.TextField(
        blank=True, help_text="As typed, at most 2,000 characters; a remote engine's own are signed and may be longer."
    )
    source_result = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="reused_by")
    source_result_number = models.BigIntegerField(
        null=True, blank=True, help_text="The engine's own id of a source result that was not made on this desk."
    )
    source_file = models.FileField(storage=media_storage, max_length=255, blank=True)
    source_thumbnail = models.FileField(storage=media_storage, max_length=255, blank=True)
    source_width = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, as displayed.")
    source_height = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, as displayed.")
    source_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    source_digest = models.CharField(max_length=64, blank=True, editable=False, help_text="SHA-256 of its bytes.")
    source_facts = models.JSONField(
        null=True, blank=True, editable=False, help_text="What was found in its source, for the time told."
    )

    model_name = models.CharField(max_length=20, choices=MODEL_CHOICES)
    settings = models.JSONField(default=dict, blank=True)
    requested_format = models.CharField(
        max_length=10,
        blank=True,
        choices=list(picture_formats.RESULT_FORMATS.items()),
        help_text="The result's format; empty for the source's own.",
    )
    credits = models.PositiveIntegerField()
    retry_of = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="retries")
    is_factor_open = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Its source is fetched first; then the channels of its batch say how much it is enlarged.",
    )

    engine = models.CharField(max_length=20, choices=Engine.choices)
    engine_id = models.CharField(max_length=100, null=True, blank=True, help_text="The engine's own id of the job.")
    handed_over_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when a remote engine may have the job."
    )
    result_id = models.BigIntegerField(null=True, blank=True, help_text="The API's generation_result_id.")
    referable_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Until when the engine keeps its own copy of the result."
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

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.CREATED)
    progress = models.FloatField(default=0.0, help_text="From 0 to 1.")
    progress_text = models.CharField(max_length=100, blank=True)
    error_code = models.CharField(max_length=50, blank=True)
    error_message = models.TextField(blank=True)

    attempt = models.PositiveIntegerField(default=0, help_text="Counts claims; a stale attempt writes nothing.")
    failures = models.PositiveIntegerField(default=0, help_text="Attempts that died or failed in passing.")
    lease_until = models.DateTimeField(null=True, blank=True, help_text="A worker holds it until then.")
    not_before = models.DateTimeField(null=True, blank=True, help_text="Its next step may not begin earlier.")
    lane = models.CharField(
        max_length=20, blank=True, default="", editable=False, help_text="The kind of work that comes next."
    )
    flow = models.BigIntegerField(default=0, editable=False, help_text="Its batch, or 0 for single orders.")
    rank = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="Its place in the lane among its team's; empty once it ended."
    )

    result_file = models.FileField(storage=media_storage, max_length=255, blank=True)
    result_format = models.CharField(max_length=10, blank=True)
    result_width = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels.")
    result_height = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels.")
    result_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    result_digest = models.CharField(max_length=64, blank=True, editable=False, help_text="SHA-256 of its bytes.")
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when nobody gets the result: its price went back."
    )
    provenance = models.JSONField(default=dict, blank=True)
    result_thumbnail = models.FileField(storage=media_storage, max_length=255, blank=True)
    before_preview = models.FileField(storage=media_storage, max_length=255, blank=True)
    after_preview = models.FileField(storage=media_storage, max_length=255, blank=True)

    idempotency_key = models.CharField(max_length=255, null=True, blank=True, editable=False)
    request_digest = models.CharField(max_length=64, blank=True, editable=False)
    order_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="The same for the same picture, model and settings."
    )

    objects = UpscaleQuerySet.as_manager()
    later_try: int | None
    """As `with_later_try` finds it."""

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("engine", "result_id"),
                condition=Q(result_id__isnull=False),
                name="upscale_result_id_once",
            ),
            models.UniqueConstraint(
                fields=("engine", "engine_id"),
                condition=Q(engine_id__isnull=False),
                name="upscale_engine_id_once",
            ),
            models.UniqueConstraint(
                fields=("team", "idempotency_key"),
                condition=Q(idempotency_key__isnull=False),
                name="upscale_idempotency_key_once",
            ),
            models.UniqueConstraint(
                fields=("retry_of",),
                condition=Q(status__in=("Created", "Ongoing"), retry_of__isnull=False),
                name="upscale_one_open_retry",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("Created", "Ongoing", "Done", "Error")), name="upscale_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status="Ongoing") | Q(lease_until__isnull=True), name="upscale_lease_while_ongoing"
            ),
            models.CheckConstraint(
                condition=(Q(source="upload") & ~Q(source_file=""))
                | (Q(source="url") & ~Q(source_url=""))
                | Q(source="result", source_result__isnull=False)
                | (Q(source="result", source_result_number__isnull=False) & ~Q(source_url=""))
                | Q(deleted_at__isnull=False),
                name="upscale_has_its_source",
            ),
            # Only what has ended: a worker may hold the rest.
            models.CheckConstraint(
                condition=Q(deleted_at__isnull=True) | Q(status__in=("Done", "Error")), name="upscale_deleted_has_ended"
            ),
            models.CheckConstraint(condition=Q(progress__gte=0) & Q(progress__lte=1), name="upscale_progress_range"),
            models.CheckConstraint(
                condition=~Q(status="Done")
                | (~Q(result_file="") & Q(completed_at__isnull=False))
                | Q(deleted_at__isnull=False),
                name="upscale_done_has_result",
            ),
            models.CheckConstraint(
                condition=~Q(status="Error") | (~Q(error_message="") & Q(completed_at__isnull=False)),
                name="upscale_error_has_message",
            ),
        )
        indexes = INDEXES

    def __str__(self) -> str:
        return f"Upscale {self.pk} ({self.status})"

    def get_absolute_url(self) -> str:
        return reverse("upscale", args=[self.pk])

    @property
    def is_final(self) -> bool:
        """Done or Error: nothing will change any more."""
        return self.status in self.FINAL

    @property
    def gives_result(self) -> bool:
        """Done, its price was not given back since, and nobody deleted it."""
        return self.status == self.Status.DONE and self.withdrawn_at is None and self.deleted_at is None

    @property
    def gives_file(self) -> bool:
        """Whether the result may leave the desk: it is there, and no review stands in the way."""
        return self.gives_result and not self.why_withheld

    @property
    def gives_source(self) -> bool:
        """Whether its source may be seen: it may be deleted, or be an earlier result that was withdrawn since."""
        if self.deleted_at is not None:
            return False
        return self.source_result is None or self.source_result.withdrawn_at is None

    @property
    def can_compare(self) -> bool:
        """Whether there is anything to compare: source and result may both be seen, and are not the same."""
        has_both = self.gives_result and self.gives_source and bool(self.before_preview and self.after_preview)
        return has_both and not self.is_only_fitted

    @property
    def why_closed(self) -> str:
        """What people are told in place of its pictures; empty where nothing of them is held back."""
        return self.why_deleted or (WITHDRAWN if self.withdrawn_at is not None else "")

    @property
    def is_waiting(self) -> bool:
        """A worker has taken it up, but no remote engine is known to work on it: it has not got it, or is silent."""
        if self.status != self.Status.ONGOING or self.engine in (self.Engine.LOCAL, self.Engine.FIT):
            return False
        return not self.engine_id or (hasattr(self, "handover") and self.handover.silent_since is not None)

    @property
    def source_size(self) -> tuple[int, int] | None:
        """Width and height of the source in pixels, as displayed; None until it is fetched."""
        return (self.source_width, self.source_height) if self.source_width and self.source_height else None

    @property
    def is_only_fitted(self) -> bool:
        """It was large enough for its channels, so nothing enlarges it, and it costs nothing."""
        return self.engine == self.Engine.FIT

    @property
    def price(self) -> int:
        """What it costs if it goes well, whatever was charged before its size was known."""
        return 0 if self.is_only_fitted else self.credits

    @property
    def factor(self) -> int:
        """How many times width and height grow."""
        return 1 if self.is_only_fitted else upscaling_models.factor(self.model_name, self.settings)

    @property
    def open_for(self) -> list[str]:
        """Ids of the channels that will tell the factor; empty where it is known."""
        return list(self.batch.channels) if self.is_factor_open and self.batch is not None else []

    @property
    def expires_at(self) -> datetime | None:
        """Until when a ``generation_result_id`` may name the result, by the contract; None before Done."""
        if self.status != self.Status.DONE or self.completed_at is None:
            return None
        if self.referable_until is not None:
            return self.referable_until
        return self.completed_at + timedelta(seconds=settings.RESULT_LIFETIME)

    @property
    def is_referable(self) -> bool:
        """Whether the contract's 4 hours still run."""
        return self.gives_result and self.expires_at is not None and timezone.now() < self.expires_at

    @property
    def model(self) -> upscaling_models.UpscalingModel:
        """The catalogue's entry of the chosen model."""
        return upscaling_models.MODELS[self.model_name]

    def order_digest_with(self, source_digest: str) -> str:
        """The ``order_digest`` of this order for a source of that digest; empty where it is.

        Empty too where nothing is paid, or where nobody knows yet how much it is enlarged.
        """
        if not source_digest or self.is_only_fitted or self.is_factor_open:
            return ""
        return upscaling_models.order_digest(
            source_digest,
            model_name=self.model_name,
            settings=self.settings,
            requested_format=self.requested_format,
            engine=self.engine,
        )

    @property
    def result_name(self) -> str:
        """The file name of the result: by the team's template, with the ending of its format."""
        template = result_names.compile(self.team.result_template)
        if not template.has("n"):
            return template.name_of(self.result_facts(0))
        # The place in the batch is counted only for who wants it in the name.
        place, total = self._place_in_batch()
        return result_names.compile(self.team.result_template, total=total).name_of(self.result_facts(place))

    def result_facts(self, place: int) -> result_names.Facts:
        """What a template makes the result's name of; ``place`` is its number in the batch, from 1 on."""
        return result_names.Facts(
            name=self.source_name,
            ending=PurePath(self.result_file.name or "").suffix,
            sku=self.sku,
            model=self.model_name,
            width=self.result_width,
            height=self.result_height,
            n=place,
            id=self.pk,
            folder=self.source_folder,
        )

    def _place_in_batch(self) -> tuple[int, int]:
        if self.batch_id is None:
            return 1, 1
        first = self
        while first.retry_of is not None:  # One that was tried again keeps its place, however often.
            first = first.retry_of
        own = Upscale.objects.filter(batch=self.batch_id, retry_of__isnull=True)
        counted = own.aggregate(place=Count("pk", filter=Q(pk__lte=first.pk)), total=Count("pk"))
        return counted["place"], counted["total"]

    @property
    def thumbnail(self) -> FieldFile:
        """The result's thumbnail, or the source's where there is none to be seen; may be empty."""
        if self.result_thumbnail and self.withdrawn_at is None and self.deleted_at is None:
            return self.result_thumbnail
        return self.source_thumbnail if self.gives_source else FieldFile(self, self.source_thumbnail.field, "")

    @property
    def percent(self) -> int:
        """Progress in whole percent."""
        return int(self.progress * 100)

    @property
    def settings_shown(self) -> list[tuple[upscaling_models.Setting, Any]]:
        """The settings with their labels, for people."""
        return [(s, self.settings[s.key]) for s in self.model.settings if s.key in self.settings]
