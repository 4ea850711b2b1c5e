"""``python -m training``: fetches the photographs, prepares them, teaches the network and judges it."""

from __future__ import annotations

import argparse

import torch

from training import judge, photographs, sources, train


def main() -> None:
    """Do all of it, or a part where it was interrupted; what is there is not done again."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--pieces", type=int, default=2000, help="squares to learn from, a second each")
    parser.add_argument("--minutes", type=float, default=180, help="how long to learn")
    parser.add_argument("--steps", type=int, help="the most steps, for a try")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(sources.SEED)
    photographs.fetch()
    sources.prepare(photographs.OUT / "pieces", photographs.training(), asked.pieces)
    stem = train.run(photographs.OUT, asked.minutes, asked.steps)
    table = judge.run([stem])
    (photographs.OUT / "judged.md").write_text(table + "\n", "utf-8")
    print(table)


if __name__ == "__main__":
    main()
