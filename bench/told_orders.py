"""``python -m bench.told_orders``: orders on the desk whose database the environment names, timed, as JSON."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from typing import Any

from bench.photographs import gravel, mosaic, named, whole

HIGH, STANDARD, LOW = "High Fidelity V2", "Standard V2", "Low Resolution V2"
Order = tuple[str, int, int, str, str, str, str]
"""Photograph, width, height, its format, model or ``enhance_model``, factor, and the result's format."""
BEFORE: tuple[Order, ...] = (
    ("chelsea", 300, 200, "JPEG", "recraft", "4x", ""),
    ("coffee", 500, 400, "PNG", "recraft", "4x", ""),
    ("rocket", 300, 260, "PNG", HIGH, "2x", "WEBP"),
    ("astronaut", 150, 150, "JPEG", STANDARD, "4x", ""),
    ("chelsea", 160, 120, "PNG", LOW, "2x", "JPEG"),
    ("coffee", 180, 120, "JPEG", HIGH, "6x", "PNG"),
)
ORDERS: tuple[Order, ...] = (
    ("coffee", 64, 64, "JPEG", "recraft", "4x", ""),
    ("rocket", 128, 200, "JPEG", "recraft", "4x", "PNG"),
    ("astronaut", 256, 256, "JPEG", "recraft", "4x", ""),
    ("chelsea", 450, 300, "PNG", "recraft", "4x", ""),
    ("coffee", 600, 400, "JPEG", "recraft", "4x", ""),
    ("rocket", 640, 427, "PNG", "recraft", "4x", "WEBP"),
    ("mosaic", 1024, 1024, "JPEG", "recraft", "4x", ""),
    ("chelsea", 100, 80, "WEBP", "recraft", "4x", ""),
    ("coffee", 600, 400, "JPEG", HIGH, "2x", ""),
    ("rocket", 300, 200, "PNG", HIGH, "2x", ""),
    ("chelsea", 450, 300, "JPEG", HIGH, "4x", "PNG"),
    ("mosaic", 1500, 1000, "JPEG", HIGH, "2x", ""),
    ("astronaut", 200, 200, "JPEG", HIGH, "6x", ""),
    ("astronaut", 128, 128, "JPEG", STANDARD, "2x", ""),
    ("coffee", 240, 160, "PNG", STANDARD, "4x", ""),
    ("chelsea", 200, 133, "JPEG", STANDARD, "2x", "WEBP"),
    ("astronaut", 300, 300, "PNG", STANDARD, "4x", "JPEG"),
    ("astronaut", 160, 160, "JPEG", LOW, "4x", ""),
    ("rocket", 256, 170, "PNG", LOW, "2x", "JPEG"),
    ("gravel", 400, 300, "JPEG", LOW, "6x", ""),
)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()

    from upscaler.batches import estimate
    from upscaler.models import Team
    from upscaler.processing import worker_step

    team = Team.objects.create(name="Bench", slug="bench", balance=0)
    _grant(team)
    for order in BEFORE:
        _work(worker_step, _submitted(team, _form(team, order)))
    orders = [_looked_at(_form(team, order)) for order in ORDERS]
    together = estimate.seconds(orders)
    found, whole_time = [], 0.0
    for order, looked_at in zip(ORDERS, orders, strict=True):
        told = estimate.seconds([looked_at])
        began = time.monotonic()
        _work(worker_step, _submitted(team, looked_at))
        took = time.monotonic() - began
        whole_time += took
        print(f"{_title(order)}: told {told:.1f} s, took {took:.1f} s", file=sys.stderr, flush=True)
        found.append({"order": _title(order), "told": told, "took": took})
    found.append({"order": "all twenty", "told": together, "took": whole_time})
    print(json.dumps(found))


def _grant(team: Any) -> None:
    from upscaler import credits

    credits.grant(team=team, amount=1000, note="Bench", by=None)


def _form(team: Any, order: Order) -> Any:
    """What ``submission.submit`` takes, by the rules of the form."""
    from django.core.files.uploadedfile import SimpleUploadedFile

    from upscaler.ordering.forms import UpscaleForm

    photograph, width, height, kind, chosen, factor, result_format = order
    if photograph in ("mosaic", "gravel"):
        picture = (mosaic if photograph == "mosaic" else gravel)(width, height)
    else:
        picture = whole(named(photograph)).resize((width, height))
    content = io.BytesIO()
    picture.save(content, kind, quality=92)
    settings = {"model_name": "recraft"} if chosen == "recraft" else {"model_name": "topaz", "enhance_model": chosen}
    if chosen != "recraft":
        settings["upscale_factor"] = factor
    ending = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}[kind]
    form = UpscaleForm(
        {**settings, "result_format": result_format},
        {"image": SimpleUploadedFile(f"{photograph}.{ending}", content.getvalue())},
        team=team,
    )
    if not form.is_valid():
        raise SystemExit(f"{_title(order)}: {form.errors}")
    return form.order


def _looked_at(form_order: Any) -> Any:
    """As a picture is when it comes to a draft; the whole set counts as known, or three of it would be alone."""
    from upscaler.ordering import looks

    [order] = looks.looked_at([form_order])
    if looks.LOOKED_AT not in order.source_facts:
        raise SystemExit(f"{order.source_name} was not looked at in time.")
    return order


def _submitted(team: Any, order: Any) -> Any:
    from upscaler.ordering import submission

    (upscale,) = submission.submit([order], team=team, user=None)
    return upscale


def _work(worker_step: Any, upscale: Any) -> None:
    worker_step.step(upscale.pk)
    upscale.refresh_from_db()
    if upscale.status != "Done":
        raise SystemExit(f"An order ended in {upscale.status}: {upscale.error_message}")


def _title(order: Order) -> str:
    photograph, width, height, kind, chosen, factor, result_format = order
    model = chosen if chosen == "recraft" else f"{chosen}, {factor}"
    return f"{model}, {photograph}, {width} × {height}, {kind}{' to ' + result_format if result_format else ''}"


if __name__ == "__main__":
    main()
