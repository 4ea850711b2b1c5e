"""What all workers know of a remote engine."""

from __future__ import annotations

from django.db import models


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
