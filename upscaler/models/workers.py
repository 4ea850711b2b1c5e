"""The worker processes of all machines, as each of them says of itself."""

from __future__ import annotations

from django.db import models


class WorkerProcess(models.Model):
    """One worker process: that it is alive, and what it runs. Only ``upscaler.queue.workers`` writes it."""

    worker_id = models.CharField(max_length=100, primary_key=True)
    queue = models.CharField(max_length=20)
    host = models.CharField(max_length=255)
    process = models.PositiveBigIntegerField(help_text="Its number on that machine.")
    release = models.CharField(max_length=100, blank=True, help_text="The desk's code that it runs.")
    engine = models.CharField(max_length=100, blank=True, help_text="What it enlarges with, and on what.")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When it last said that it is alive.")
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="When it ended in good order.")

    class Meta:
        ordering = ("queue", "host", "started_at", "pk")

    def __str__(self) -> str:
        return f"{self.worker_id} on {self.host}"
