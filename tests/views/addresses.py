"""The address of every page, with something of one person's where a page is about one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.conftest import Person
from tests.support import feed_pages
from tests.support.draft_page import DraftPage
from upscaler.channels import files, teams
from upscaler.channels.table import CHANNELS
from upscaler.models import ApiToken, Batch, Upscale, WatchedFolder, WebhookEndpoint
from upscaler.processing import lifecycle
from upscaler.sharing import links
from upscaler.storage import pictures, signed_links, tiles
from upscaler.webhooks import outbox

UNKNOWN = {"hint": ["x"], "invitation": ["x"], "password_reset_confirm": ["x", "y"]}
"""What opens something for whoever holds it; the table has it for one who holds nothing."""


def patterns() -> Iterator[URLPattern]:
    """The desk's own pages, from the URL list itself."""
    for entry in get_resolver().url_patterns:
        if isinstance(entry, URLResolver) and getattr(entry.urlconf_module, "__name__", "") == "upscaler.urls":
            yield from entry.url_patterns


@dataclass(frozen=True)
class Addresses:
    """Made with the fixtures of the same names."""

    owner: Person
    order: Callable[..., Upscale]
    done: Callable[..., Upscale]
    upload: Callable[..., SimpleUploadedFile]
    order_batch: Callable[..., Batch]

    def of(self, page: str) -> str:
        """The address of the page with this name."""
        owner, order, done, upload, order_batch = self.owner, self.order, self.done, self.upload, self.order_batch
        if page == "signed-file":
            upscale = done()
            return signed_links.make(None, pictures.source_of(upscale), name="a.jpg", team_id=owner.team.pk)
        if "share" in page and page not in ("share-upscale", "share-batch", "share-links"):
            link, secret = links.make(
                team=owner.team, user=owner.user, shows=done(), label="Ours", may_decide=True, may_download=True
            )
            if page == "revoke-share-link":
                return reverse(page, args=[link.pk])
            known = {"secret": secret.split("/")[-2], "index": 1, "at": 0, "kind": "after", "side": "after"}
            [pattern] = [pattern for pattern in patterns() if pattern.name == page]
            tile = {"version": tiles.VERSION, "level": 0, "column": 0, "row": 0}
            return reverse(page, args=[{**known, **tile}[name] for name in pattern.pattern.converters])
        if page == "share-batch":
            return reverse(page, args=[order_batch("a.jpg").pk])
        if page in UNKNOWN:
            return reverse(page, args=UNKNOWN[page])
        if page.startswith("draft"):
            form = DraftPage(owner)
            item = form.item(upload())
            return reverse(page, args=[form.pk, item["id"]] if page in ("draft-item", "draft-thumbnail") else [form.pk])
        if page == "revoke-token":
            return reverse(page, args=[ApiToken.objects.get(user=owner.user).pk])
        if page == "watched-folder-new":
            return reverse(page, args=["s3"])
        if page.startswith("watched-folder") and page != "watched-folders":
            made = WatchedFolder.objects.create(
                team=owner.team, name="DAM", kind="s3", bucket="b", model_name="recraft"
            )
            return reverse(page, args=[made.pk])
        if page.startswith("webhook-") or page == "webhook":
            hook = WebhookEndpoint.objects.create(team=owner.team, url="https://shop.example/")
            told = outbox.new(hook, "webhook.test")
            told.save()
            return reverse(page, args=[told.pk if page == "webhook-again" else hook.pk])
        if page == "retry":
            failed = lifecycle.claim(order().pk)
            assert failed is not None
            lifecycle.fail(failed, message="No.", code="test")
            return reverse(page, args=[failed.pk])
        if page == "sku-evidence":
            return reverse(page, args=["csv"])
        if page == "batch-evidence":
            return reverse(page, args=[order_batch("a.jpg").pk, "csv"])
        if page == "fidelity-place":
            return reverse(page, args=[done().pk, 0, "after"])
        if page in ("tiles", "tile"):
            return reverse(page, args=[done().pk, "after", *([tiles.VERSION, 0, 0, 0] if page == "tile" else [])])
        if page == "channel-file":
            return reverse(page, args=[files.make(done(), CHANNELS["etsy"]).pk])
        if page in ("channel", "channel-copy", "channel-switch"):
            return reverse(page, args=[teams.copy(owner.team, "zalando", "Ours").id])
        if page.startswith("feed-") or page == "feed":
            check = feed_pages.begun(owner)
            return reverse(page, args=[check.feed_id]) + (f"?check={check.pk}" if page == "feed-csv" else "")
        if page.startswith("batch"):
            return reverse(page, args=[order_batch("a.jpg").pk])
        [pattern] = [pattern for pattern in patterns() if pattern.name == page]
        return reverse(page, args=[done().pk] if pattern.pattern.converters else [])
