"""Credits: the ledger, and what each month has cost."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from upscaler.models.append_only import AppendOnly
from upscaler.models.teams import Team
from upscaler.models.upscales import Upscale


class CreditEntry(AppendOnly):
    """One line of a team's ledger. Only ``upscaler.credits`` adds lines; none is ever changed or deleted."""

    REDACTABLE = ("note",)

    class Kind(models.TextChoices):
        GRANT = "grant", "Grant"
        CORRECTION = "correction", "Correction"
        CHARGE = "charge", "Charge"
        REFUND = "refund", "Refund"

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="entries")
    upscale = models.ForeignKey(Upscale, on_delete=models.PROTECT, null=True, blank=True, related_name="entries")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount = models.IntegerField(help_text="Positive adds credits, negative takes them.")
    balance_after = models.IntegerField()
    note = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    request_key = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text="Of the form that asked for it: it is carried out once.",
    )

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "credit entries"
        constraints = (
            models.UniqueConstraint(
                fields=("team", "request_key"), condition=Q(request_key__isnull=False), name="entry_once_per_request"
            ),
            models.UniqueConstraint(
                fields=("upscale", "kind"),
                condition=Q(upscale__isnull=False),
                name="entry_once_per_upscale_and_kind",
            ),
            models.CheckConstraint(condition=Q(balance_after__gte=0), name="entry_balance_not_negative"),
            models.CheckConstraint(
                condition=Q(kind="grant", amount__gt=0, upscale__isnull=True)
                | Q(kind="correction", amount__lt=0, upscale__isnull=True)
                | Q(kind="charge", amount__lt=0, upscale__isnull=False)
                | Q(kind="refund", amount__gt=0, upscale__isnull=False),
                name="entry_sign_and_upscale_fit_its_kind",
            ),
        )
        indexes = (
            models.Index(fields=("team", "-id"), name="entry_team_newest"),
            models.Index(fields=("team", "kind", "-id"), name="entry_team_kind"),
            models.Index(fields=("team", "created_at"), name="entry_team_time"),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount:+d} ({self.team})"


class MonthlySpend(models.Model):
    """What a person's upscales of one calendar month cost a team, less what came back.

    A refund counts in the month of its charge. Only ``upscaler.credits`` writes it, with the entries themselves.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="spends")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    month = models.DateField(help_text="The month's first day, in the desk's time zone.")
    credits = models.IntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("team", "month", "user"), name="spend_once_per_person_and_month"),
        )

    def __str__(self) -> str:
        return f"{self.team}, {self.month:%Y-%m}: {self.credits}"
