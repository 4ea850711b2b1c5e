"""The operator's roots (``WATCHED_ROOTS``), as each team has them."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from upscaler.errors import PublicError
from upscaler.models import Team


def names() -> list[str]:
    """The names of all roots."""
    return list(settings.WATCHED_ROOTS)


def path_of(name: str, team: Team) -> Path:
    """The root's path for the team. Raises PublicError where the operator has taken the root away."""
    if name not in settings.WATCHED_ROOTS:
        raise PublicError(
            f"This desk has no root “{name}” any more. Ask those who run it, or choose another root.",
            code="watched_root",
        )
    return Path(settings.WATCHED_ROOTS[name].replace("{team}", team.slug))
