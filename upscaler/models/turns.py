"""Whose turn it is: what the fair queue remembers between two picks."""

from __future__ import annotations

from django.db import models

from upscaler.models.teams import Team


class Lane(models.Model):
    """One kind of work that upscales wait for. Only ``queue.fairness`` writes it, and locks it to pick."""

    name = models.CharField(max_length=20, primary_key=True)
    time = models.BigIntegerField(default=0, help_text="The start of the turn that was given last: the virtual time.")

    def __str__(self) -> str:
        return self.name


class Turn(models.Model):
    """How far one team has got in one lane. Only ``queue.fairness`` moves it."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="turns")
    lane = models.CharField(max_length=20)
    start = models.BigIntegerField(default=0, help_text="The team that has the lowest is next.")
    rank = models.BigIntegerField(default=0, help_text="The highest rank of the team's upscales that was taken.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "lane"), name="turn_once"),)
        indexes = (models.Index(fields=("lane", "start", "team"), name="turn_next"),)

    def __str__(self) -> str:
        return f"{self.team} in {self.lane}"
