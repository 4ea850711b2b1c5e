"""Refunds by hand from before results were withdrawn, in a database that is brought up to date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.conftest import Person
from upscaler.models import CreditEntry, Upscale
from upscaler.processing import lifecycle
from upscaler.processing.manual_refunds import refund_by_hand

BEFORE = [("upscaler", "0016_unordered_uploads")]
AFTER = [("upscaler", "0017_withdrawn_results")]
REFUNDED_AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_what_was_refunded_by_hand_before_gives_its_result_to_nobody(
    order: Callable[..., Upscale], done: Callable[..., Upscale], owner: Person, head: Person
) -> None:
    """What ended without a result has its refund too, and nothing to withdraw; what was not refunded keeps all."""
    refunded, kept, failed = done(), done(), order()
    with time_machine.travel(REFUNDED_AT, tick=False):
        refund_by_hand(refunded, note="spots on the sleeve", by=head.user)
    claimed = lifecycle.claim(failed.pk)
    assert claimed is not None
    lifecycle.fail(claimed, message="It broke.", code="test")
    assert CreditEntry.objects.filter(upscale=failed, kind="refund").exists()
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()

    def at(targets: Any) -> Any:
        MigrationExecutor(connection).migrate(targets)
        return MigrationExecutor(connection).loader.project_state(targets).apps

    try:
        old = at(BEFORE).get_model("upscaler", "Upscale")
        assert "withdrawn_at" not in {field.name for field in old._meta.get_fields()}
        rows = at(AFTER).get_model("upscaler", "Upscale").objects
        found = dict(rows.values_list("pk", "withdrawn_at"))
        assert found == {refunded.pk: REFUNDED_AT, kept.pk: None, failed.pk: None}
    finally:
        MigrationExecutor(connection).migrate(latest)
    assert owner.client.get(f"/upscales/{refunded.pk}/result/").status_code == 410
    assert owner.client.get(f"/upscales/{kept.pk}/result/").status_code == 200
