"""Webhooks: who is told of the ends of upscales and batches and of decisions, and what was sent."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from upscaler.models.batches import Batch
from upscaler.models.teams import Team
from upscaler.models.upscales import Upscale


class WebhookEndpoint(models.Model):
    """An address that is told. A team's own hears of everything; one of an order (``is_of_orders``) of that alone.

    Orders with the same address, secret and events share a row, which goes once no order has named it for long. The
    secrets are kept in clear, because each message is signed with them; they are shown once, and stand in no log and no
    list.
    """

    class Event(models.TextChoices):
        COMPLETED = "generation.completed", "An upscale is done"
        FAILED = "generation.failed", "An upscale failed or was cancelled"
        REVIEWED = "generation.reviewed", "A result was approved or rejected, or waits no more"
        BATCH = "batch.completed", "A batch has ended"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="webhooks")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    named_at = models.DateTimeField(
        default=timezone.now, db_default=Now(), editable=False, help_text="When an order named it last, to the day."
    )
    is_of_orders = models.BooleanField(default=False, editable=False)
    url = models.TextField(help_text="At most 2,000 characters.")
    events = models.JSONField(default=list)
    secret = models.CharField(max_length=255, blank=True, editable=False)
    old_secret = models.CharField(max_length=255, blank=True, editable=False, help_text="The one before it.")
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    site = models.CharField(max_length=255, blank=True, editable=False, help_text="The desk's address, for links.")
    key = models.CharField(
        max_length=64, null=True, blank=True, editable=False, help_text="Of an order's address, secret and events."
    )

    off_since = models.DateTimeField(null=True, blank=True)
    off_reason = models.CharField(max_length=300, blank=True, help_text="For people; empty where one of them did it.")
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    last_sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    due_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="Not asked before: its last answers were failures."
    )
    lease_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="A worker sends to it.")
    removed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("team", "key"), condition=Q(key__isnull=False), name="webhook_of_orders_once"
            ),
        )
        indexes = (
            # A team that names an address of its own with each order has endless rows beside these few.
            models.Index(fields=("team",), condition=Q(is_of_orders=False), name="webhook_own"),
            models.Index(fields=("team", "-last_sent_at"), name="webhook_told"),
            models.Index(fields=("lease_until",), condition=Q(lease_until__isnull=False), name="webhook_at_work"),
            models.Index(fields=("named_at",), name="webhook_age"),
        )

    def __str__(self) -> str:
        return f"Webhook {self.pk} at {self.host}"

    @property
    def host(self) -> str:
        """Where the address leads; the rest of it often holds a secret."""
        return urlsplit(self.url).hostname or "–"

    def old_secrets(self, now: datetime) -> list[str]:
        """Those that still sign beside the newest one, the oldest first."""
        if self.old_secret_until is None or self.old_secret_until <= now:
            return []
        return self.old_secret.split()


class WebhookDelivery(models.Model):
    """One message to one endpoint: written in the transaction of what it tells, sent at least once."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=30)
    message_id = models.CharField(
        max_length=40, unique=True, help_text="The header webhook-id: the same at every attempt."
    )
    upscale = models.ForeignKey(Upscale, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False, help_text="When it happened.")
    expires_at = models.DateTimeField(help_text="It is given up then.")
    due_at = models.DateTimeField(null=True, blank=True, help_text="The next attempt; empty once there is none.")
    attempts = models.PositiveIntegerField(default=0)
    attempted_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    request = models.TextField(blank=True, help_text="The body of the last attempt.")
    status = models.PositiveIntegerField(null=True, blank=True, help_text="Of the last answer.")
    answer = models.TextField(blank=True, help_text="How the last answer's body begins.")
    failure = models.CharField(max_length=300, blank=True, help_text="Why the last attempt failed, for people.")
    seconds = models.FloatField(null=True, blank=True, help_text="That the last attempt took.")

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "webhook deliveries"
        indexes = (
            models.Index(fields=("endpoint", "due_at"), condition=Q(due_at__isnull=False), name="delivery_due"),
            models.Index(fields=("endpoint", "-id"), name="delivery_newest"),
            models.Index(fields=("created_at",), name="delivery_age"),
        )

    def __str__(self) -> str:
        return f"{self.event} to {self.endpoint}"

    @property
    def last_attempt(self) -> str:
        """When it was last tried, as a text; empty where it never was."""
        return self.attempted_at.isoformat() if self.attempted_at is not None else ""
