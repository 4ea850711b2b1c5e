"""What people say of results: whether a result waits for approval, and every decision about it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from upscaler.models.append_only import AppendOnly

WITHDRAWN = "The price of this picture was given back, so its result is given to nobody any more."
"""What people and programs are told in place of the result."""
PENDING = "This result waits for approval, so it is not given out yet. Who may approve finds it on the page “Review”."
"""What people and programs are told in place of a result that waits."""
REJECTED = (
    "This result was rejected, so it is not given out. Its page says why; there the decision can be taken back, or "
    "the picture ordered again."
)
"""The same of one that was rejected."""


class Reviewed(models.Model):
    """The part of an upscale that says whether its result may leave the desk.

    What it says is decided in ``review.decisions`` alone, which writes it too; with a result's end
    ``processing.lifecycle`` does, in the same update.

    ::

        none ──► approved, rejected          (a person decides though nobody asked for it)
        pending ──► approved, rejected       (a person decides)
        pending ──► none                     (the check finds it faithful, and only doubts are looked at)
        approved, rejected ──► what it was   (the decision is taken back)
    """

    class Review(models.TextChoices):
        NONE = "none", "Not reviewed"
        PENDING = "pending", "Waits for approval"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"

    review = models.CharField(
        max_length=10, choices=Review.choices, default=Review.NONE, db_default=Review.NONE, editable=False
    )
    # Beside `review`, because SQLite takes an index in part only where the query spells its condition out.
    pending_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when the result waits for approval."
    )

    class Meta:
        abstract = True

    @property
    def why_withheld(self) -> str:
        """Why the result's files are not given out; empty where no review stands in the way."""
        return {self.Review.PENDING: PENDING, self.Review.REJECTED: REJECTED}.get(self.Review(self.review), "")


WITHHELD = (Reviewed.Review.PENDING, Reviewed.Review.REJECTED)
"""The states in which a result may be looked at on the desk, and its files are not given out."""


class Reason(models.TextChoices):
    """What is wrong with a result."""

    COLOUR = "colour", "Colour"
    DETAIL = "detail", "Fabric or detail"
    TEXT = "text", "Text or logo"
    FACE = "face", "Face or body"
    SHAPE = "shape", "Shape or frame"
    OTHER = "other", "Something else"


class ReviewDecision(AppendOnly):
    """One decision about a result, or that one was taken back. Only ``review.decisions`` adds them."""

    REDACTABLE = ("user_name", "note")

    class Kind(models.TextChoices):
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        TAKEN_BACK = "taken_back", "Decision taken back"

    team = models.ForeignKey("upscaler.Team", on_delete=models.CASCADE, related_name="+", db_index=False)
    upscale = models.ForeignKey("upscaler.Upscale", on_delete=models.CASCADE, related_name="decisions")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    before = models.CharField(
        max_length=10, choices=Reviewed.Review.choices, help_text="What it was, so that it can be that again."
    )
    reason = models.CharField(max_length=10, choices=Reason.choices, blank=True)
    note = models.CharField(max_length=500, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    user_name = models.CharField(max_length=200, blank=True, help_text="What the person was called at that time.")
    guest_name = models.CharField(
        max_length=100, blank=True, help_text="Of somebody without an account, as they gave it."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("team", "kind", "created_at"), name="decision_month"),
            models.Index(fields=("kind", "created_at"), name="decision_month_of_all"),
        )

    def __str__(self) -> str:
        return f"{self.who}: {self.get_kind_display()}"

    @property
    def who(self) -> str:
        """Who decided, for people."""
        return f"{self.guest_name} (by a shared link)" if self.guest_name else self.user_name or "Somebody"


class WrongResult(models.Model):
    """A rejected result of a paid engine that is the engine's fault; the month's review counts them."""

    team = models.ForeignKey("upscaler.Team", on_delete=models.CASCADE, related_name="+", db_index=False)
    upscale = models.OneToOneField("upscaler.Upscale", on_delete=models.CASCADE, related_name="wrong_result")
    reason = models.CharField(max_length=10, choices=Reason.choices)
    note = models.CharField(max_length=500, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("team", "created_at"), name="wrong_result_month"),
            models.Index(fields=("created_at",), name="wrong_result_month_of_all"),
        )

    def __str__(self) -> str:
        return f"Wrong: upscale {self.upscale_id}"
