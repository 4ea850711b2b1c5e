"""Counts of ended upscales by day, so that the usage page costs the same after a million of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from upscaler.models.teams import Team


class UsageDay(models.Model):
    """What ended on one day, for one person, model, engine, outcome. Only ``upscaler.usage`` writes it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="usage_days")
    day = models.DateField(help_text="The day of the end, in the desk's time zone.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    model_name = models.CharField(max_length=20)
    engine = models.CharField(max_length=20)
    status = models.CharField(max_length=10)
    error_code = models.CharField(max_length=50, blank=True)
    upscales = models.PositiveIntegerField(default=0)
    credits = models.PositiveBigIntegerField(default=0, help_text="What they were charged.")
    refunded = models.PositiveBigIntegerField(default=0, help_text="What of that came back.")
    pixels = models.PositiveBigIntegerField(default=0, help_text="Of the results.")

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("team", "day", "user", "model_name", "engine", "status", "error_code"), name="usage_day_once"
            ),
        )
        indexes = (models.Index(fields=("day",), name="usage_day"),)

    def __str__(self) -> str:
        return f"{self.team}, {self.day}: {self.upscales} {self.status}"


class UsageTime(models.Model):
    """How many of a day's results took how long, in buckets of growing width. Only ``upscaler.usage`` writes it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="usage_times")
    day = models.DateField()
    model_name = models.CharField(max_length=20)
    bucket = models.PositiveSmallIntegerField()
    upscales = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "day", "model_name", "bucket"), name="usage_time_once"),)
        indexes = (models.Index(fields=("day",), name="usage_time_day"),)

    def __str__(self) -> str:
        return f"{self.team}, {self.day}: {self.upscales} in bucket {self.bucket}"
