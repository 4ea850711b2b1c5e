"""Whether rows and the picture storage agree."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from upscaler.models import DraftItem, Upscale, media_storage
from upscaler.storage import cleanup

OF_A_SOURCE = ("source_file", "source_thumbnail")
OF_A_RESULT = ("result_file", "result_thumbnail", "before_preview", "after_preview")


def missing(upscale: Upscale) -> list[str]:
    """The fields of the row that name a file which is not there, or that name none and should."""
    upscale.refresh_from_db()
    done = upscale.status == Upscale.Status.DONE
    fetched = bool(upscale.source_file) or done or upscale.source == Upscale.Source.UPLOAD
    fields = (*(OF_A_SOURCE if fetched else ()), *(OF_A_RESULT if done else ()))
    return [name for name in fields if not (path := getattr(upscale, name).name) or not media_storage().exists(path)]


def prove_only_named_ones_stay() -> None:
    """Once they are old enough, the clean-up removes what no row names, and nothing else."""
    later = timezone.now() + cleanup.KEPT_FOR + timedelta(hours=1)
    before = {upscale.pk: missing(upscale) for upscale in Upscale.objects.all()}
    cleanup.remove_orphans(later)
    assert {upscale.pk: missing(upscale) for upscale in Upscale.objects.all()} == before
    assert stored() <= _named()


def stored() -> set[str]:
    """This month's files in the picture storage."""
    found = set()
    for kind in cleanup.FIELDS:
        folder = f"{kind}/{timezone.now():%Y/%m}"
        if media_storage().exists(folder):
            found |= {f"{folder}/{name}" for name in media_storage().listdir(folder)[1]}
    return found


def _named() -> set[str]:
    rows = [
        *Upscale.objects.values_list(*OF_A_SOURCE, *OF_A_RESULT),
        *DraftItem.objects.values_list("file", "thumbnail"),
    ]
    return {path for row in rows for path in row if path}
