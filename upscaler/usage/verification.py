"""Whether the counts fit the rows that they count."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.db import models

from upscaler.models import Team
from upscaler.usage.counts import counted, stored


def verify(teams: models.QuerySet[Team] | None = None) -> list[str]:
    """Compare the counts with the rows of these teams, or of all; each difference is a sentence.

    Also while the desk is at work: what is wrong in truth is still wrong, in the same words, at a second look.
    """
    teams = Team.objects.order_by("pk") if teams is None else teams
    problems = _problems(teams)
    if problems:
        still = set(_problems(teams))
        problems = [problem for problem in problems if problem in still]
    return problems


def _problems(teams: models.QuerySet[Team]) -> list[str]:
    problems = []
    for team in teams.iterator():
        right, found = counted(team), stored(team)
        for key in sorted({*right.days, *found.days}, key=str):
            expected, seen = right.days.get(key, (0, 0, 0, 0)), found.days.get(key, (0, 0, 0, 0))
            if expected != seen:
                problems.append(f"Team {team.slug}, {_words(key[1:])}: counted {seen}, the rows say {expected}.")
        for key in sorted({*right.times, *found.times}):
            if right.times[key] != found.times[key]:
                problems.append(
                    f"Team {team.slug}, {_words(key[1:])}: {found.times[key]} times, the rows say {right.times[key]}."
                )
    return problems


def _words(key: tuple[Any, ...]) -> str:
    return " ".join(f"{part:%Y-%m-%d}" if isinstance(part, date) else str(part) for part in key)
