"""`make fuzz`: mutated files and structure bombs through the desk's real door. Prints figures."""

from __future__ import annotations

import argparse
import os
import sys

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    # Reads Django's settings when it is imported.
    from tests.fuzz.run import run

    parser = argparse.ArgumentParser()
    parser.add_argument("--mutated", type=int, default=100_000)
    parser.add_argument("--bombs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    told = parser.parse_args()
    figures = run(told.mutated, told.bombs, seed=told.seed, threads=told.threads, say=True)
    print(figures)
    sys.exit(0 if figures.is_good else 1)


if __name__ == "__main__":
    main()
