"""How the time of the local engine is told: each step of a job at the speed that was measured for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from tests.batches.test_quotes import addresses, orders_of
from tests.conftest import Person
from tests.support import pictures
from upscaler import upscaling_models, usage
from upscaler.batches import estimate
from upscaler.engines import get_engine
from upscaler.engines.base import PlannedEngine, Step, Timing, Timings
from upscaler.models import NetworkSpeed, Upscale
from upscaler.ordering import reorder, submission
from upscaler.ordering.new_batches import NewBatch
from upscaler.processing import lifecycle, network_speeds

pytestmark = pytest.mark.django_db


def of(*steps: tuple[str, float, float], precision: str = "f32", threads: int = 2) -> Timings:
    return Timings(precision, threads, [Timing(*step) for step in steps])


def cancel_all() -> None:
    """So that nothing waits before what is asked about."""
    lifecycle.cancel(Upscale.objects.all(), by=None)


def note(timings: Timings) -> None:
    network_speeds.note(timings, planned=(), kind="order")


def all_steps_take(seconds: float) -> None:
    """Pretend that every step of these jobs was measured: so long for each unit of work."""
    engine = get_engine("local")
    assert isinstance(engine, PlannedEngine)
    for ending in ("jpg", "png"):
        steps = engine.steps("recraft", {}, (250, 250), f"a.{ending}", "")
        note(of(*((step.name, 1, 0 if step.once else seconds) for step in steps)))
    note(of(("keep JPEG", 1, 0), ("keep PNG", 1, 0)))


def test_figures_follow_the_newest_jobs_and_large_ones_count_for_more() -> None:
    note(of(("a", 1, 1), ("b", 2, 10)))
    note(of(("a", 9, 18)))
    row = NetworkSpeed.objects.get(step="a")
    assert (row.jobs, row.rate) == (2, pytest.approx((0.9 + 18) / (0.9 + 9)))
    for _ in range(40):
        note(of(("a", 1, 5)))
    assert network_speeds.measured().rates["a"] == pytest.approx(5, rel=0.05)
    assert network_speeds.measured().rates["b"] == 5


def test_what_was_measured_in_another_way_is_left_out() -> None:
    note(of(("a", 1, 1)))
    note(of(("b", 1, 2), threads=1))
    assert dict(network_speeds.measured().rates) == {"b": 2}
    assert NetworkSpeed.objects.count() == 2


def test_a_step_that_was_not_measured_is_guessed_by_those_that_were(owner: Person) -> None:
    engine = get_engine("local")
    assert isinstance(engine, PlannedEngine)
    chosen = upscaling_models.MODELS["topaz"].defaults | {"enhance_model": "Low Resolution V2"}
    steps = [step for step in engine.steps("topaz", chosen, (600, 400), "a.jpg", "") if not step.once]
    guessed = network_speeds.measured().seconds(steps)
    assert guessed > 0
    first = next(step for step in steps if step.name == "waifu2x-cunet-denoise0")
    note(of((first.name, first.work, 3 * first.usual * first.work)))
    assert network_speeds.measured().seconds(steps) == pytest.approx(3 * guessed)


def test_the_time_grows_with_the_picture_and_what_waits(order: Callable[..., Upscale]) -> None:
    all_steps_take(1)
    small, large = order(content=pictures.jpeg((100, 100))), order(content=pictures.jpeg((250, 250)))
    cancel_all()
    alone = [estimate.seconds([upscale]) for upscale in (small, large)]
    assert alone[0] is not None
    assert alone[1] is not None
    assert alone[1] > 2 * alone[0]
    assert estimate.seconds([small, large]) == pytest.approx(sum(alone), rel=0.01)
    submission.submit([reorder.reorder(large)], team=large.team, user=None)
    assert estimate.seconds([small]) == pytest.approx(sum(alone), rel=0.01)


def test_a_network_is_compiled_once_for_pictures_of_one_size(order: Callable[..., Upscale]) -> None:
    upscale, other = order(content=pictures.jpeg((100, 100))), order(content=pictures.jpeg((180, 140)))
    cancel_all()
    all_steps_take(1)
    NetworkSpeed.objects.filter(step="compile waifu2x-cunet-denoise0").update(seconds=1000, work=1)
    two_alike, apart = estimate.seconds([upscale, upscale]), estimate.seconds([upscale, other])
    assert two_alike is not None
    assert 1000 < two_alike < 2000
    assert apart is not None
    assert apart > 2000


def test_pictures_that_nobody_has_seen_count_like_the_last_ones(
    owner: Person, outsider: Person, order: Callable[..., Upscale]
) -> None:
    nobody_knows = orders_of(owner.team, addresses(3))
    assert estimate.seconds(nobody_knows) is None
    seen = order(content=pictures.jpeg((250, 250)))
    # No engine is needed for it: what it looked like counts.
    Upscale.objects.update(status=Upscale.Status.DONE, result_file="result.jpg", completed_at=timezone.now())
    usage.rebuild(owner.team)
    all_steps_take(1)
    one = estimate.seconds([seen])
    assert one is not None
    assert estimate.seconds(nobody_knows) == pytest.approx(3 * one, rel=0.01)
    batch = NewBatch(model_name="recraft", settings={})
    submission.submit(orders_of(outsider.team, addresses(40)), team=outsider.team, user=None, batch=batch)
    assert estimate.seconds(nobody_knows) == pytest.approx(43 * one, rel=0.01)
    assert estimate.seconds(nobody_knows, team=owner.team) == pytest.approx(6 * one, rel=0.01)


def test_several_slots_share_pictures_but_not_one(order: Callable[..., Upscale], settings: Any) -> None:
    all_steps_take(1)
    upscale = order(content=pictures.jpeg((250, 250)))
    cancel_all()
    one, four = estimate.seconds([upscale]), estimate.seconds([upscale] * 4)
    settings.CPU_SLOTS = 2
    assert one is not None
    assert estimate.seconds([upscale]) == one
    assert four is not None
    assert estimate.seconds([upscale] * 4) == pytest.approx(four / 2)


def test_what_only_the_pictures_tell_is_learnt_by_kind_of_order() -> None:
    planned = [Step("a", 10, 1.0), Step("compile a", 1, 5.0, once="a")]
    # Half of each picture of one kind is white, so that half the work is spared, and no picture of the other.
    for _ in range(10):
        for kind, seconds in (("order white", 5), ("order other", 10)):
            network_speeds.note(of(("compile a", 1, 3), ("a", 10, seconds)), planned=planned, kind=kind)
    speeds = network_speeds.measured()
    assert speeds.seconds(planned, "order white") == pytest.approx(5 + 3, rel=0.1)
    assert speeds.seconds(planned, "order other") == pytest.approx(10 + 3, rel=0.1)
    # Of a kind that nobody has ordered yet, the mean of all.
    assert 5 + 3 < speeds.seconds(planned, "order new") < 10 + 3


def test_a_slow_machine_is_learnt_once_and_not_twice() -> None:
    planned = [Step("a", 10, 1.0)]
    network_speeds.note(of(("a", 10, 90)), planned=planned, kind="order")
    assert network_speeds.measured().seconds(planned, "order") == pytest.approx(90)


def test_names_without_a_pictures_ending_share_one_figure() -> None:
    kinds = {network_speeds.kind("recraft", {}, name) for name in ("shirt.4711", "shirt.4712", "shirt", "a.b c")}
    assert len(kinds) == 1
    assert network_speeds.kind("recraft", {}, "shirt.PNG") not in kinds


def test_looking_for_print_is_told_by_the_size_of_the_picture() -> None:
    engine = get_engine("local")
    assert isinstance(engine, PlannedEngine)
    chosen = upscaling_models.MODELS["topaz"].defaults | {"enhance_model": "Low Resolution V2"}

    def looking(size: tuple[int, int]) -> float:
        steps = engine.steps("topaz", chosen, size, "a.jpg", "")
        return sum(step.work * step.usual for step in steps if step.name.startswith("look for"))

    assert looking((6000, 4000)) > 5 * looking((1000, 800)) > 0


@pytest.mark.processes
def test_telling_the_time_loads_no_runtime() -> None:
    program = """
import json, sys, upscaler.engines.local.plan as plan
steps = plan.steps("recraft", {}, (600, 400), "a.jpg", "", threads=2, precision="auto")
print(json.dumps([[step.name for step in steps], "openvino" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names, is_loaded = json.loads(done.stdout)
    assert not is_loaded
    assert names == [
        "open",
        "compile waifu2x-cunet-denoise0",
        "compile waifu2x-cunet-denoise0",
        "waifu2x-cunet-denoise0",
        "compile waifu2x-photo",
        "waifu2x-photo",
        "finish, colour kept",
        "save JPEG",
    ]
