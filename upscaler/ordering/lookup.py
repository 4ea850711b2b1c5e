"""Finding what an order names: channels, and its source, which is a link of this desk's own or a result."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

from upscaler.channels import teams
from upscaler.channels.table import Channel
from upscaler.engines.base import KnownResult
from upscaler.errors import PublicError
from upscaler.models import Team, Upscale
from upscaler.ordering import results
from upscaler.storage import signed_links
from upscaler.storage.signed_links import Link


class Lookup:
    """Asks database and engine about each source by itself."""

    def __init__(self, *, team: Team, host: str = "") -> None:
        """``host``: as the request calls this desk, with its port; empty where there is none."""
        self.team = team
        self.host = host

    @cached_property
    def channels(self) -> Mapping[str, Channel]:
        """Those that the team uses, by id."""
        return teams.channels(self.team)

    def link(self, url: str) -> Link | None:
        """The desk's own link that ``url`` is; None for any other address."""
        # Any other scheme is no address that could have led here, whatever its path says.
        is_address = url.startswith(("http://", "https://"))
        return signed_links.find_link(url, host=self.host) if is_address else None

    def why_closed(self, link: Link) -> str:
        """Why nobody gets the picture of the link any more; empty where it is given out."""
        return signed_links.why_closed(link)

    def result(self, result_id: int) -> Upscale | KnownResult:
        """What a ``generation_result_id`` names. Raises PublicError."""
        return results.find_source_result(result_id, team=self.team)


class BulkLookup(Lookup):
    """Knows the sources of many orders from a few questions that were asked for all of them."""

    def __init__(self, *, team: Team, urls: Iterable[str], result_ids: Collection[int], host: str = "") -> None:
        """Raises PublicError with the code `results.UNAVAILABLE` where a remote engine has to be asked and is away."""
        super().__init__(team=team, host=host)
        self._links = {url: super(BulkLookup, self).link(url) for url in urls}
        known = [link for link in self._links.values() if link]
        self._closed = signed_links.lost(known) | signed_links.closed(known)
        self._results = results.find_source_results(result_ids, team=team)

    def link(self, url: str) -> Link | None:
        return self._links[url]

    def why_closed(self, link: Link) -> str:
        return self._closed.get(link, "")

    def result(self, result_id: int) -> Upscale | KnownResult:
        found = self._results[result_id]
        if isinstance(found, PublicError):
            raise found
        return found
