"""What the desk remembers of handing an upscale to a remote engine."""

from __future__ import annotations

from django.db import models

from upscaler.models.upscales import Upscale


class Handover(models.Model):
    """How an upscale's hand-over to a remote engine goes. Only ``upscaler.processing.handover`` writes it.

    That it may have happened (``handed_over_at``) and the engine's id of the job stand with the upscale itself. An
    upscale that no worker has tried to hand over has none.
    """

    upscale = models.OneToOneField(Upscale, on_delete=models.CASCADE, primary_key=True, related_name="handover")
    reference = models.JSONField(default=dict, help_text="Where the engine was told to find the source.")
    submit_count = models.PositiveIntegerField(default=0, help_text="How often the order was sent.")
    lost_at = models.DateTimeField(null=True, help_text="When the last of those ended without an answer.")
    followed_since = models.DateTimeField(
        null=True, help_text="The engine's time counts from then, its silence left out."
    )
    silent_since = models.DateTimeField(null=True, help_text="Since when it does not answer for this upscale.")
    made_at = models.DateTimeField(null=True, help_text="When it said Done: its slot is free, its picture not here.")

    def __str__(self) -> str:
        return f"Handover of upscale {self.upscale_id}"
