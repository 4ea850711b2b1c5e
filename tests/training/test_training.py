"""The training of our own weights: what it learns from, and, where torch is installed, a few of its steps."""

from pathlib import Path

import numpy as np
import pytest

from tests.support import pictures
from training import photographs
from upscaler.engines.local.inference import Networks


def test_every_photograph_says_whose_it_is_and_some_are_learnt_from_by_none() -> None:
    manifest = photographs.manifest()
    assert all(len(picture.sha256) == 64 and picture.licence and picture.author for picture in manifest)
    assert len({picture.sha256 for picture in manifest}) == len(manifest)
    held_out = [picture for picture in manifest if picture.is_held_out]
    assert len(held_out) >= 8
    assert len(manifest) - len(held_out) >= 25


@pytest.mark.engine
def test_a_few_steps_give_weights_that_the_engine_reads_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed; `make train` installs it in its own place")
    from training import judge, sources, train

    truth = np.asarray(pictures.photograph("coffee").resize((900, 800)))
    sources.prepare(tmp_path / "pieces", [truth], 2)
    train.run(tmp_path, 1, most_steps=2)
    stem = train.run(tmp_path, 1, most_steps=3)

    teacher = train.Teacher(tmp_path / "checkpoint.pt")
    assert teacher.steps == 3
    clean = next(train.pieces(tmp_path / "pieces"))[0][:72, :72]
    by_engine = Networks(precision="f32").run(judge.taught(stem, 90), clean.astype(np.float32))
    plane = np.full((72, 72, 1), sources.told(90), np.float32)
    values = np.concatenate([clean.astype(np.float32) / 255, plane], axis=2)
    with torch.no_grad():
        by_torch = teacher.mean(torch.from_numpy(values).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(by_engine - by_torch).max() < 1, "the engine's weights are in half precision"
