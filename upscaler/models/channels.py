"""What a team has of its own about channels: changed or switched-off rows of the table, and its products' codes."""

from __future__ import annotations

from django.db import models

from upscaler.models.teams import Team


class TeamChannel(models.Model):
    """A channel of a team's own, or one of the table's that the team has switched off."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="channels")
    channel_id = models.SlugField(max_length=40)
    is_off = models.BooleanField(default=False)
    row = models.JSONField(
        null=True, blank=True, help_text="The whole row as in the table; empty where only the switch is the team's."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("channel_id",)
        constraints = (models.UniqueConstraint(fields=("team", "channel_id"), name="channel_once_per_team"),)

    def __str__(self) -> str:
        return f"{self.channel_id} of {self.team}"


class ProductCode(models.Model):
    """The codes of one product, by which shops know it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="codes")
    sku = models.CharField(max_length=100)
    asin = models.CharField(max_length=10, blank=True)
    ean = models.CharField(max_length=14, blank=True)
    gtin = models.CharField(max_length=14, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("sku",)
        constraints = (models.UniqueConstraint(fields=("team", "sku"), name="codes_once_per_sku"),)

    def __str__(self) -> str:
        return f"{self.sku} of {self.team}"
