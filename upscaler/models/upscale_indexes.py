"""The indexes of upscales, one for each question that pages, API and workers ask of many."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

LISTED = ("deleted_at", "deleted_by_rule")
"""What tells whether lists show an upscale."""
INDEXES = (
    models.Index(fields=("webhook",), condition=Q(webhook__isnull=False), name="upscale_webhook"),
    # With all that a list's count and a far page of it look at: else each row of a team of very many is read for them.
    models.Index(fields=("team", "-id", *LISTED), name="upscale_team_listed"),
    models.Index(fields=("team", "status", "-id", *LISTED, "withdrawn_at"), name="upscale_team_status_listed"),
    models.Index(fields=("team", "model_name", "-id"), name="upscale_team_model"),
    models.Index(fields=("team", "created_by", "-id"), name="upscale_team_person"),
    # Whole and not in part: SQLite takes a partial index only where the query spells its condition out.
    models.Index(fields=("batch", "status", "id"), condition=Q(batch__isnull=False), name="upscale_batch_status"),
    models.Index(fields=("team", "sku", "-id"), condition=~Q(sku=""), name="upscale_team_sku"),
    models.Index(fields=("team", "reference", "-id"), condition=~Q(reference=""), name="upscale_team_reference"),
    models.Index(
        fields=("team", "-id"),
        condition=Q(archived_at__isnull=False),
        name="upscale_team_put_away",
    ),
    models.Index(fields=("error_code", "team", "-id"), name="upscale_failure"),
    models.Index(fields=("status", "-id"), name="upscale_status"),
    models.Index(fields=("team", "status", "-completed_at"), name="upscale_team_completed"),
    models.Index(fields=("created_at",), name="upscale_created"),
    models.Index(
        fields=("team", "completed_at", "id"),
        condition=Q(deleted_at__isnull=True) & Q(completed_at__isnull=False),
        name="upscale_team_over_age",
    ),
    models.Index(
        fields=("engine",),
        condition=Q(rank__isnull=False) & Q(handed_over_at__isnull=False),
        name="upscale_in_flight",
    ),
    models.Index(fields=("team", "order_digest"), condition=~Q(order_digest=""), name="upscale_same_order"),
    models.Index(fields=("team", "-id"), condition=Q(pending_since__isnull=False), name="upscale_team_pending"),
    # Whole: a file may go once no row names it, and SQLite can't tell that a given name is not empty.
    models.Index(fields=("source_file",), name="upscale_source_file"),
    models.Index(fields=("result_file",), name="upscale_result_file"),
    models.Index(
        fields=("id",),
        condition=Q(deleted_at__isnull=False) & ~(Q(source_file="") & Q(result_file="")),
        name="upscale_files_to_remove",
    ),
    # Who is next, the last of a flow, who waits for a moment, whose worker died. SQLite takes an index in part
    # only where the query proves its condition, which it never does of a list of statuses.
    models.Index(
        fields=("lane", "team", "rank", "id"),
        condition=Q(rank__isnull=False) & Q(lease_until__isnull=True),
        name="upscale_next",
    ),
    models.Index(fields=("team", "lane", "flow", "rank"), condition=Q(rank__isnull=False), name="upscale_flow"),
    models.Index(fields=("not_before",), condition=Q(not_before__isnull=False), name="upscale_paused"),
    models.Index(fields=("lease_until",), condition=Q(lease_until__isnull=False), name="upscale_leased"),
)
