"""What all workers know of the engines: how a remote one answers, how fast the networks here are."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class EngineState(models.Model):
    """How a remote engine answers, shared by all workers. Only ``upscaler.processing.circuit_breaker`` writes it."""

    engine = models.CharField(max_length=20, primary_key=True)
    failures = models.PositiveIntegerField(default=0, help_text="Calls in a row that got no answer.")
    failing_since = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True, help_text="It is down; the next call may try it then.")
    busy_since = models.DateTimeField(null=True, blank=True)
    busy_until = models.DateTimeField(null=True, blank=True, help_text="It asked to be left alone until then.")
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When somebody last asked how it is.")
    trouble = models.TextField(blank=True, help_text="What was found then, for an operator; empty for nothing.")
    trouble_passes = models.BooleanField(default=False, help_text="Whether waiting cures it.")

    def __str__(self) -> str:
        return f"{self.engine}: {'down' if self.retry_at else 'up'}"


class NetworkSpeed(models.Model):
    """How fast one step of the work is on this desk's machines: a network, or what is done beside.

    Only ``upscaler.processing.network_speeds`` writes it, with every job that ends; older jobs count less and less.
    """

    step = models.CharField(max_length=100, help_text="A network's name, or what is done beside: save JPEG.")
    processor = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="On which it was measured."
    )
    precision = models.CharField(max_length=10, help_text="What the networks worked in.")
    threads = models.PositiveSmallIntegerField(help_text="How many one job worked on.")
    seconds = models.FloatField(help_text="What the work took.")
    work = models.FloatField(
        help_text="Megapixels that were made; compiling and looking count one each time, and what a step costs "
        "whatever the size counts as some more."
    )
    jobs = models.PositiveBigIntegerField(default=0, help_text="In which it was measured, all of them.")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("step", "processor", "precision", "threads")
        constraints = (
            models.UniqueConstraint(fields=("step", "processor", "precision", "threads"), name="network_speed_once"),
        )

    def __str__(self) -> str:
        return f"{self.step}, {self.precision}, {self.threads} threads: {self.rate:.3g} s"

    @property
    def way(self) -> tuple[str, str, int]:
        """How it was measured: figures of one way belong together."""
        return self.processor, self.precision, self.threads

    @property
    def rate(self) -> float:
        """Seconds for a unit of work, mostly a megapixel."""
        return self.seconds / self.work
