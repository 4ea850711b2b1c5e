"""Compiled networks on disk: the same numbers, whole files, a bounded folder that is nobody else's."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.engines.local.conftest import BOTH_PRECISIONS, crop
from upscaler.engines.local import compiled_forms, inference, networks, processor
from upscaler.engines.local.compiled_forms import CompiledForms

SMALL = replace(networks.PHOTO, on_disk=True)


class NeverCompiles(inference.Networks):
    def _compile(self, form: object) -> None:  # type: ignore[override]
        raise AssertionError("it was compiled again")


@pytest.mark.engine
@pytest.mark.parametrize("precision", BOTH_PRECISIONS)
def test_a_network_from_disk_gives_the_same_numbers_and_is_not_compiled(tmp_path: Path, precision: str) -> None:
    pixels = np.asarray(crop(), np.float32)
    folder = tmp_path / "new" / "cache"
    compiled = inference.Networks(precision=precision, cache_dir=folder).run(SMALL, pixels).copy()
    assert folder.stat().st_mode & 0o777 == 0o700
    again = NeverCompiles(precision=precision, cache_dir=folder).run(SMALL, pixels)
    assert (again == compiled).all()
    # Another size is another form, and a network that is quick to compile is not kept.
    with pytest.raises(AssertionError, match="compiled again"):
        NeverCompiles(precision=precision, cache_dir=folder).run(SMALL, pixels[:88, :88])
    inference.Networks(precision=precision, cache_dir=folder).run(networks.PHOTO, pixels[:72, :72])
    assert len(list(folder.iterdir())) == 1


@pytest.mark.engine
@pytest.mark.parametrize("fact", ["OPTIMIZATION_CAPABILITIES", "instructions"])
def test_a_network_that_another_kind_of_processor_compiled_is_compiled_anew(
    fact: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.asarray(crop(), np.float32)[:64, :64]
    inference.Networks(precision="f32", cache_dir=tmp_path).run(SMALL, pixels)
    NeverCompiles(precision="f32", cache_dir=tmp_path).run(SMALL, pixels)
    elsewhere = NeverCompiles(precision="f32", cache_dir=tmp_path)
    if fact == "instructions":
        monkeypatch.setattr(processor, "instructions", lambda: frozenset({"avx2"}))
    else:
        core = elsewhere._core
        found = core.get_property("CPU", fact)

        class Other:
            def __getattr__(self, name: str) -> object:
                return getattr(core, name)

            def get_property(self, device: str, name: str) -> object:
                return [*found, "other"] if name == fact else core.get_property(device, name)

        monkeypatch.setattr(elsewhere, "_core", Other())
    with pytest.raises(AssertionError, match="compiled again"):
        elsewhere.run(SMALL, pixels)


@pytest.mark.engine
def test_a_damaged_form_is_compiled_anew(tmp_path: Path) -> None:
    pixels = np.asarray(crop(), np.float32)[:64, :64]
    expected = inference.Networks(precision="f32", cache_dir=tmp_path).run(SMALL, pixels).copy()
    (kept,) = tmp_path.iterdir()
    for damage in (kept.read_bytes()[:1000], kept.read_bytes()[:-5] + b"other", b""):
        kept.write_bytes(damage)
        found = inference.Networks(precision="f32", cache_dir=tmp_path).run(SMALL, pixels)
        assert (found == expected).all()
        assert NeverCompiles(precision="f32", cache_dir=tmp_path).run(SMALL, pixels).any()


def test_the_forms_that_were_used_last_are_kept(tmp_path: Path) -> None:
    forms = CompiledForms(tmp_path, 300)
    for number, name in enumerate("abc"):
        forms.keep(name, bytes(90))
        os.utime(tmp_path / f"{name}.form", (number, number))
    assert forms.load("a") == bytes(90)
    forms.keep("d", bytes(90))
    assert [name for name in "abcd" if forms.load(name) is not None] == ["a", "c", "d"]
    forms.keep("too large", bytes(400))
    assert forms.load("too large") is None


def test_a_folder_that_cannot_be_used_keeps_nothing_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    shared = tmp_path / "shared"
    CompiledForms(shared, 300).keep("planted", b"x")
    shared.chmod(0o777)
    for folder in (tmp_path / "file", shared):
        caplog.clear()
        forms = CompiledForms(folder, 300)
        assert forms.load("planted") is None
        for _ in range(2):
            forms.keep("b", b"x")
        assert len(caplog.records) == 1
        assert str(folder) in caplog.text


def test_another_version_of_the_code_has_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    before = compiled_forms.key("a", 1)
    assert compiled_forms.key("a", 1) == before
    assert compiled_forms.key("a", 2) != before
    monkeypatch.setattr(compiled_forms, "_code", lambda: "other")
    assert compiled_forms.key("a", 1) != before
