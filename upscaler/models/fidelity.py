"""What the check of faithfulness says of a result."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from upscaler.models.upscales import Upscale


class FidelityCheck(models.Model):
    """The check of one result. The row is made with the result's end, and ended by a worker.

    ::

        waiting ──► held by a worker (lease) ──► checked: a verdict, or why there is none in ``problem``
                       └► lease runs out: tried again, and given up after some attempts
    """

    class Verdict(models.TextChoices):
        FAITHFUL = "faithful", "Faithful"
        LOOK = "look", "Look"

    upscale = models.OneToOneField(Upscale, on_delete=models.CASCADE, related_name="fidelity")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False, help_text="A worker holds it until then.")
    checked_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=10, choices=Verdict.choices, blank=True)
    reasons = models.JSONField(default=list, blank=True, help_text="What a person should look at.")
    report = models.JSONField(default=dict, blank=True, help_text="Everything that was measured.")
    heat_map = models.CharField(max_length=255, blank=True, help_text="The file's name in the picture storage.")
    problem = models.CharField(max_length=300, blank=True, help_text="Why there is no verdict, for people.")
    seconds = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("created_at",), condition=Q(checked_at__isnull=True), name="fidelity_waiting"),
            models.Index(fields=("heat_map",), condition=~Q(heat_map=""), name="fidelity_heat_map"),
        )

    def __str__(self) -> str:
        return f"{self.verdict or 'not checked'}: upscale {self.upscale_id}"

    @staticmethod
    def of(upscale: Upscale) -> FidelityCheck | None:
        """The check of an upscale's result, once it has a verdict; it needs no query where `fidelity` was selected."""
        check: FidelityCheck | None = getattr(upscale, "fidelity", None)
        return check if check is not None and check.verdict else None

    @property
    def words(self) -> str:
        """The verdict in a few words: “faithful”, “look: colour, text”; empty while there is none."""
        return f"{self.verdict}: {', '.join(self.reasons)}" if self.reasons else self.verdict

    @property
    def looks_at(self) -> str:
        """The reasons as a phrase: “colour and text”."""
        *first, last = self.reasons or [""]
        return f"{', '.join(first)} and {last}" if first else last
