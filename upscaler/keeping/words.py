"""The words by which a person is known, and finding them in texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from upscaler.models import Membership

OF_ROLES = {role.label.casefold() for role in Membership.Role}
"""Words of the desk's own sentences. Who has one as the user name is not told apart from the role there."""


@dataclass(frozen=True)
class Words:
    """A person's names and addresses, the longest first."""

    known: tuple[str, ...]

    @property
    def addresses(self) -> list[str]:
        """The e-mail addresses among them, in small letters."""
        return [word.lower() for word in self.known if "@" in word]

    @classmethod
    def of(cls, user: Any) -> Words:
        """Those of an account: full name, user name, e-mail address. Not a first name alone, which others have too."""
        found = {user.get_full_name().strip(), user.get_username(), user.email.strip()} - {""}
        found = {word for word in found if word.casefold() not in OF_ROLES and not word.isdigit()}
        return cls(tuple(sorted(found, key=len, reverse=True)))

    def anywhere(self, *columns: str) -> Q:
        """The condition for rows that may hold one of them; `are_in` says whether they do."""
        found = Q(pk__in=[])
        for column in columns:
            for word in self.known:
                found |= Q(**{f"{column}__icontains": word})
        return found

    def are_in(self, text: str) -> bool:
        """Whether one of them stands in the text as a whole word."""
        return self._pattern().search(text) is not None

    def replaced(self, text: str, by: str) -> str:
        """The text with ``by`` in their place."""
        return self._pattern().sub(by, text)

    def _pattern(self) -> re.Pattern[str]:
        some = "|".join(re.escape(word) for word in self.known)
        return re.compile(rf"(?<![\w@.+-])(?:{some})(?![\w@+-]|\.\w)", re.IGNORECASE)
