"""Teaches the network, for a number of minutes; goes on where it was interrupted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import deepcopy
from math import cos, pi
from pathlib import Path

import numpy as np
import torch

from training import network, sources
from training.photographs import Bytes

BATCH = 3
INPUT, BORDER = 72, 12
"""Side of what the network is given while it learns, and what it loses on each side: its twelve convolutions."""
RATE, LAST_RATE, WARMING_UP = 4e-5, 1e-6, 20
"""Larger ones undo what SRMD knows: after 100 steps of 2e-4, 0.6 dB were gone."""
AVERAGED_OVER = 100
"""Steps: what is written is a running mean of the weights, which is steadier than the last of them."""
SAVED_EVERY, TOLD_EVERY = 50, 10

Piece = tuple[Bytes, Bytes, int]
"""A cleaned source, its truth and the JPEG's quality."""


def pieces(folder: Path) -> Iterator[Piece]:
    """What `sources.prepare` wrote, in order."""
    for file in sorted(folder.glob("*.npz")):
        with np.load(file) as kept:
            yield kept["clean"], kept["truth"], int(kept["quality"])


def batch(known: list[Piece], step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What step number ``step`` learns from: inputs (n, 4, 72, 72) and what is wanted (n, 3, 192, 192).

    It follows from the seed and the number alone.
    """
    random = np.random.default_rng((sources.SEED, step))
    pairs = []
    for _ in range(BATCH):
        clean, truth, quality = known[random.integers(len(known))]
        top, left = (int(start) for start in random.integers(sources.PIECE - INPUT + 1, size=2))
        source = clean[top : top + INPUT, left : left + INPUT].astype(np.float32) / 255
        plane = np.full((INPUT, INPUT, 1), sources.told(quality), np.float32)
        first, last = BORDER, INPUT - BORDER
        rows, columns = (
            slice((start + first) * sources.FACTOR, (start + last) * sources.FACTOR) for start in (top, left)
        )
        turned = slice(None, None, -1 if random.random() < 0.5 else 1)
        values = np.concatenate([source, plane], axis=2)[:, turned]
        pairs.append((values, truth[rows, columns].astype(np.float32)[:, turned] / 255))
    inputs, wanted = (torch.from_numpy(np.stack(side)).permute(0, 3, 1, 2) for side in zip(*pairs, strict=True))
    return inputs.contiguous(memory_format=torch.channels_last), wanted


def loss(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The deviation of each square, in the mean: near what PSNR measures, picture by picture."""
    return ((made - wanted).square().mean(dim=(1, 2, 3)) + 1e-5).sqrt().mean()


class Teacher:
    """The network while it learns, the running mean of its weights, and how far it is."""

    def __init__(self, checkpoint: Path) -> None:
        """Go on from ``checkpoint`` where it is there, from SRMD's weights where not."""
        self._checkpoint = checkpoint
        self.network = network.begun().to(memory_format=torch.channels_last)
        self.mean = deepcopy(self.network)
        self._optimiser = torch.optim.Adam(self.network.parameters(), RATE, betas=(0.9, 0.99))
        self.steps, self.seconds = 0, 0.0
        if checkpoint.exists():
            state = torch.load(checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.mean.load_state_dict(state["mean"])
            self._optimiser.load_state_dict(state["optimiser"])
            self.steps, self.seconds = state["steps"], state["seconds"]

    def step(self, known: list[Piece], share: float) -> float:
        """Learn from one batch; ``share`` of the time is over. Gives the deviation in levels of 255."""
        began = time.monotonic()
        rate = LAST_RATE + (RATE - LAST_RATE) * (1 + cos(pi * share)) / 2
        for group in self._optimiser.param_groups:
            group["lr"] = rate * min(1, (self.steps + 1) / WARMING_UP)
        inputs, wanted = batch(known, self.steps)
        with torch.autocast("cpu", torch.bfloat16):
            made = self.network(inputs)
        error = loss(made.float(), wanted)
        self._optimiser.zero_grad()
        error.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimiser.step()
        self.steps += 1
        kept = min(1 - 1 / AVERAGED_OVER, self.steps / (self.steps + 10))
        with torch.no_grad():
            for old, new in zip(self.mean.parameters(), self.network.parameters(), strict=True):
                old.lerp_(new, 1 - kept)
        self.seconds += time.monotonic() - began
        return error.item() * 255

    def save(self) -> None:
        """All that going on needs; an interruption leaves the checkpoint before it."""
        state = {"network": self.network.state_dict(), "mean": self.mean.state_dict()}
        state |= {"optimiser": self._optimiser.state_dict(), "steps": self.steps, "seconds": self.seconds}
        new = self._checkpoint.with_suffix(".new")
        torch.save(state, new)
        new.replace(self._checkpoint)


def run(folder: Path, minutes: float, most_steps: int | None = None) -> Path:
    """Learn from the pieces in ``folder`` until ``minutes`` of work are over, those before an interruption counted in.

    The rate falls with the time, so that the end is the end however quick the machine was. Gives the weights' stem;
    those on the way are kept beside it, with the number of steps.
    """
    known = list(pieces(folder / "pieces"))
    teacher = Teacher(folder / "checkpoint.pt")
    stem, lost = folder / "jpeg_x4", []
    while teacher.seconds < minutes * 60 and teacher.steps != most_steps:
        lost.append(teacher.step(known, teacher.seconds / (minutes * 60)))
        is_last = teacher.seconds >= minutes * 60 or teacher.steps == most_steps
        if teacher.steps % TOLD_EVERY == 0:
            told = f"step {teacher.steps}, {teacher.seconds / 60:.1f} minutes, deviation {np.mean(lost[-100:]):.2f}"
            print(told, flush=True)
        if teacher.steps % SAVED_EVERY == 0 or is_last:
            teacher.save()
            for name in (stem, stem.with_name(f"{stem.name}-{teacher.steps}")):
                network.write(teacher.mean, name)
    return stem
