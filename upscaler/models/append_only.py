"""Rows that are written once and then stay as they are."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models


class AppendOnlyError(Exception):
    """Somebody tried to change or delete what must stay."""


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """Reads and adds. What the law has forgotten is the one exception, see `redact` and `erase`."""

    def redact(self, **values: Any) -> int:
        """Take a person's or a picture's name out of rows that stay. Returns of how many; AppendOnlyError for any
        column but the model's ``REDACTABLE``."""
        if not set(values) <= set(self.model.REDACTABLE):
            raise AppendOnlyError(f"{self.model.__name__} rows keep {', '.join(sorted(values))}.")
        return super().update(**values)

    def erase(self) -> int:
        """Delete the rows, with a team that is forgotten as a whole. Returns how many."""
        return super().delete()[0]

    def update(self, **values: Any) -> int:
        raise AppendOnlyError(f"{self.model.__name__} rows are never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnlyError(f"{self.model.__name__} rows are never deleted.")


class AppendOnly(models.Model):
    """The base of the ledger's and the audit log's rows."""

    REDACTABLE: ClassVar[tuple[str, ...]] = ()
    """Columns with words about people or pictures, which can be forgotten."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnlyError(f"{type(self).__name__} {self.pk} is never changed.")
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnlyError(f"{type(self).__name__} {self.pk} is never deleted.")
