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
from upscaler.engines.local import processor
from upscaler.models import NetworkSpeed, Upscale
from upscaler.ordering import reorder, submission
from upscaler.ordering.new_batches import NewBatch
from upscaler.processing import lifecycle, network_speeds
from upscaler.processing.network_speeds import note

pytestmark = pytest.mark.django_db

HERE = processor.name()


def of(
    *steps: tuple[str, float, float] | tuple[str, float, float, bool],
    precision: str = "f32",
    threads: int = 2,
    processor: str = "",
) -> Timings:
    return Timings(precision, threads, [Timing(*step) for step in steps], processor or HERE)


def cancel_all() -> None:
    """So that nothing waits before what is asked about."""
    lifecycle.cancel(Upscale.objects.all(), by=None)


def rates() -> dict[str, float]:
    return dict(network_speeds.measured(local()).rates)


def local() -> PlannedEngine:
    engine = get_engine("local")
    assert isinstance(engine, PlannedEngine)
    return engine


def planned(engine: PlannedEngine, model_name: str, chosen: Any, size: tuple[int, int], name: str) -> list[Step]:
    return [step for step in engine.steps(model_name, chosen, size, name, "") if not step.once]


def all_steps_take(seconds: float) -> None:
    """Pretend that every step of these jobs was measured: so long for each unit of work."""
    engine = get_engine("local")
    assert isinstance(engine, PlannedEngine)
    for ending in ("jpg", "png"):
        steps = engine.steps("recraft", {}, (250, 250), f"a.{ending}", "")
        note(of(*((step.name, 1, 0 if step.once else seconds) for step in steps)))
    note(of(("keep JPEG", 1, 0), ("keep PNG", 1, 0)))


def test_figures_follow_the_newest_jobs() -> None:
    note(of(("a", 10, 10), ("b", 2, 10)))
    note(of(("a", 5, 7.5)))
    row = NetworkSpeed.objects.get(step="a")
    assert (row.jobs, row.rate) == (2, pytest.approx((9 + 7.5) / (9 + 5)))
    for _ in range(40):
        note(of(("a", 1, 5)))
    assert rates()["a"] == pytest.approx(5, rel=0.05)
    assert rates()["b"] == 5


def test_one_odd_job_moves_a_figure_by_half_at_most_and_a_changed_machine_is_known_after_a_few() -> None:
    for _ in range(5):
        note(of(("a", 1, 1)))
    note(of(("a", 1000, 100_000)))
    assert 1 < rates()["a"] < 1.6
    for _ in range(25):
        note(of(("a", 1, 3)))
    assert rates()["a"] == pytest.approx(3, rel=0.1)


def test_what_was_measured_in_another_way_is_left_out() -> None:
    note(of(("a", 1, 1)))
    note(of(("b", 1, 2), threads=1))
    assert rates() == {"b": 2}
    assert NetworkSpeed.objects.count() == 2


def test_what_another_processor_has_measured_counts_only_where_the_workers_are_elsewhere(settings: Any) -> None:
    note(of(("a", 1, 1), processor="another"))
    assert rates() == {}
    settings.TASK_BACKEND = "cluster"
    assert rates() == {"a": 1}
    note(of(("a", 1, 3)))
    note(of(("a", 1, 1), processor="another"))
    assert rates() == {"a": 3}


def test_a_step_that_was_not_measured_is_guessed_by_those_that_were(owner: Person) -> None:
    engine = get_engine("local")
    assert isinstance(engine, PlannedEngine)
    chosen = upscaling_models.MODELS["topaz"].defaults | {"enhance_model": "Low Resolution V2"}
    steps = planned(engine, "topaz", chosen, (600, 400), "a.jpg")
    guessed = network_speeds.measured(local()).seconds(steps)
    assert guessed > 0
    first = next(step for step in steps if step.name == "realesrgan-x4plus")
    note(of((first.name, first.work, 3 * first.usual * first.work)))
    assert network_speeds.measured(local()).seconds(steps) == pytest.approx(3 * guessed)
    # One that has none of the steps of those that were.
    (other,) = (step for step in planned(local(), "recraft", {}, (64, 64), "a.png") if step.name.startswith("dat-"))
    assert network_speeds.measured(local()).seconds([other]) == pytest.approx(3 * other.usual * other.work)


def test_the_time_grows_with_the_picture_and_what_waits(order: Callable[..., Upscale]) -> None:
    all_steps_take(1)
    small, large = order(content=pictures.jpeg((100, 100))), order(content=pictures.jpeg((400, 400)))
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


def test_what_the_last_picture_left_compiled_is_not_compiled_again(
    order: Callable[..., Upscale], settings: Any
) -> None:
    upscale, other = order(content=pictures.jpeg((100, 100))), order(content=pictures.jpeg((180, 140)))
    Upscale.objects.update(status=Upscale.Status.DONE, result_file="result.jpg", completed_at=timezone.now())
    usage.rebuild(upscale.team)
    all_steps_take(1)
    NetworkSpeed.objects.filter(step="compile waifu2x-cunet-denoise0").update(seconds=1000, work=1)
    cold, warm = estimate.seconds([upscale]), estimate.seconds([other])
    assert cold is not None
    assert warm is not None
    assert warm < 1000 < cold
    # Of several processes nobody knows which one takes the next picture.
    settings.CPU_SLOTS = 2
    assert (estimate.seconds([other]) or 0) > 1000


def test_pictures_that_nobody_has_seen_count_like_the_last_ones(
    owner: Person, outsider: Person, order: Callable[..., Upscale]
) -> None:
    nobody_knows = orders_of(owner.team, addresses(3))
    assert estimate.seconds(nobody_knows) is None
    seen = order(content=pictures.jpeg((400, 400)))
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
    upscale = order(content=pictures.jpeg((400, 400)))
    cancel_all()
    one, four = estimate.seconds([upscale]), estimate.seconds([upscale] * 4)
    settings.CPU_SLOTS = 2
    assert one is not None
    assert estimate.seconds([upscale]) == one
    assert four is not None
    assert estimate.seconds([upscale] * 4) == pytest.approx(four / 2)


def kept(**found: Any) -> dict[str, Any]:
    """What the engine keeps of a source."""
    shares = {"waifu2x-cunet, outline": 0.0, "waifu2x-photo, outline": 0.0}
    usual = {"engine": upscaling_models.versioned("local"), "precision": "f32", "shrink": "bicubic"}
    return {"jpeg_quality": None, "is_averaged": False, "shares": shares, **usual, **found}


def networks(name: str, model_name: str = "recraft", chosen: Any = None, **known: Any) -> dict[str, float]:
    """The networks that an order of 300 × 200 pixels is told by, and the megapixels that each makes."""
    engine = get_engine("local")
    assert isinstance(engine, PlannedEngine)
    made: dict[str, float] = {}
    usual = engine.usual(known.pop("usual", ()))
    for step in engine.steps(model_name, chosen or {}, (300, 200), name, "", usual=usual, **known):
        if step.name.startswith(("waifu2x", "dat", "srmd", "realesrgan")):
            made[step.name] = made.get(step.name, 0) + step.work
    return made


def test_the_time_is_told_by_the_networks_that_do_the_work() -> None:
    assert set(networks("a.png", source_facts=kept())) == {"dat-light-x4"}
    assert set(networks("a.png", source_facts=kept(is_averaged=True))) == {"waifu2x-cunet", "waifu2x-photo"}
    # A JPEG by its content, whatever its name says, and too worn for anything but these.
    assert set(networks("a.png", source_facts={"jpeg_quality": 60})) == {"waifu2x-photo-denoise3", "waifu2x-photo"}


def test_what_is_not_known_of_a_source_counts_as_in_the_last_ones() -> None:
    whole = networks("a.png", source_facts=kept())["dat-light-x4"]
    assert networks("a.png")["dat-light-x4"] == pytest.approx(whole / 2)
    mostly = networks("a.png", usual=[kept()] * 9)
    assert mostly["dat-light-x4"] == pytest.approx(whole * 0.95)
    assert 0 < mostly["waifu2x-photo"] < whole
    # JPEGs tell nothing of what is none.
    assert networks("a.png", usual=[kept(jpeg_quality=92)] * 9)["dat-light-x4"] == pytest.approx(whole / 2)


def test_what_another_version_of_the_engine_found_is_not_believed() -> None:
    assert networks("a.png", source_facts=kept(engine="local 1")) == networks("a.png")


def test_tiles_that_are_spared_are_not_told() -> None:
    chosen = upscaling_models.MODELS["topaz"].defaults | {"enhance_model": "Low Resolution V2"}
    order = {"name": "a.png", "model_name": "topaz", "chosen": chosen}
    whole = networks(**order, source_facts=kept(shares={}))
    shares = {"realesrgan-x4plus, Foreground": 0.25, "waifu2x-cunet, outline": 0.0, "waifu2x-photo, outline": 0.0}
    part = networks(**order, source_facts=kept(shares=shares))
    assert part["realesrgan-x4plus"] == pytest.approx(whole["realesrgan-x4plus"] / 4)
    assert part["dat-light-x4"] == whole["dat-light-x4"]
    # Outlines are told as often as they come where nobody has looked, and exactly where somebody has.
    assert 0 < whole["waifu2x-cunet"] < whole["dat-light-x4"]
    assert "waifu2x-cunet" not in part


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
    # One time as if it was averaged, one time as if not.
    assert names.count("open") == names.count("save JPEG") == 2
    assert {"waifu2x-cunet-denoise0", "waifu2x-photo", "look at the source", "finish, colour kept"} <= set(names)
