"""What a team has of its own about channels: rows of the table, changed or switched off; codes; and its files."""

from __future__ import annotations

from django.db import models

from upscaler import picture_formats
from upscaler.models.teams import Team
from upscaler.models.upscales import Upscale


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


class ChannelFile(models.Model):
    """A result fitted to a channel. One for each channel; it goes with the upscale's other files.

    ::

        (no row) ──► begun (lease) ──► made, or refused: no file, and why in ``problems``
                        └► lease runs out: tried again, and refused after some attempts

    One whose ``rules`` are not the channel's any more is out of date: given to nobody, and made anew.
    """

    upscale = models.ForeignKey(Upscale, on_delete=models.CASCADE, related_name="channel_files")
    channel_id = models.SlugField(max_length=40)
    title = models.CharField(max_length=100, help_text="What the channel was called when it was made.")
    file = models.CharField(
        max_length=255, blank=True, help_text="The file's name in the picture storage; empty where none could be made."
    )
    format = models.CharField(
        max_length=10, blank=True, choices=[(one.name, one.title) for one in picture_formats.FORMATS.values()]
    )
    width = models.PositiveIntegerField(default=0)
    height = models.PositiveIntegerField(default=0)
    file_size = models.PositiveBigIntegerField(default=0, help_text="Bytes.")
    problems = models.JSONField(default=list, blank=True, help_text="Why the channel would refuse it, in sentences.")
    key = models.CharField(max_length=64, help_text="Of rules, result and wishes; another one makes another file.")
    rules = models.CharField(
        max_length=64,
        null=True,
        blank=True,
        help_text="Of the channel's rules by which it was made, or could not be; those of another sum are out of date.",
    )
    crop = models.BooleanField(default=False, db_default=False, help_text="Whether cropping to the ratio was asked.")
    trim = models.BooleanField(default=False, db_default=False, help_text="Whether taking margin off was asked.")
    attempts = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="Begun by workers since the last one that ended."
    )
    lease_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Until then a worker makes it, or it is not tried again."
    )
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("title",)
        constraints = (models.UniqueConstraint(fields=("upscale", "channel_id"), name="channel_file_once"),)

    def __str__(self) -> str:
        return f"{self.upscale_id} for {self.title}"
