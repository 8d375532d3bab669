"""The sweep that the campaign attacks: three runs in two parts, so small that it trains at once."""

import pathlib
import shutil
from collections.abc import Sequence
from typing import NamedTuple

import grokjax as gj
from grokjax.runner import Request, Session

EPOCH_STEPS = 4
STEPS, LONGER = 12, 20
SEEDS = (0, 1, 2)
OTHER = (50, 51, 52)


def request(
    steps: int = STEPS,
    seeds: Sequence[int] = SEEDS,
    *,
    save: str = "all",
    learning_rate: float = 1e-3,
    block: int | None = 1,
) -> Request:
    """Returns the request of a sweep mod 7: a run for each seed."""
    task = gj.ModularArithmetic(modulus=7)
    config, recipe, hyper = gj.presets.nanda(task, d_model=8, num_heads=2)
    hypers = gj.grid(hyper.replace(learning_rate=learning_rate, train_fraction=0.5), seed=list(seeds))
    return Request(task, config, recipe, hypers, steps, EPOCH_STEPS, save, block)


def train(directory: pathlib.Path, asked: Request) -> list[str]:
    """Trains what a directory lacks, without a report. Returns what the user is told."""
    told: list[str] = []
    for _ in Session(directory, asked, tell=told.append):
        pass
    return told


class Sweeps(NamedTuple):
    """Directories of the sweeps of one schedule.

    whole: to be damaged, two parts, STEPS steps;  longer: the same and LONGER steps, uninterrupted
    earlier: `whole` as it was at half its steps;  twin: the same settings, another id
    other: other seeds and another learning rate
    """

    whole: pathlib.Path
    longer: pathlib.Path
    earlier: pathlib.Path
    twin: pathlib.Path
    other: pathlib.Path


def sweeps(folder: pathlib.Path, save: str) -> Sweeps:
    """Returns the sweeps of a schedule, trained into a folder."""
    found = Sweeps(*(folder / save / name for name in Sweeps._fields))
    train(found.earlier, request(STEPS // 2 // EPOCH_STEPS * EPOCH_STEPS, SEEDS[:2], save=save))
    shutil.copytree(found.earlier, found.whole)
    train(found.whole, request(seeds=SEEDS[:2], save=save))
    train(found.whole, request(save=save))
    train(found.twin, request(seeds=SEEDS[:2], save=save))
    train(found.twin, request(save=save))
    train(found.other, request(seeds=OTHER[:2], save=save, learning_rate=0.01))
    train(found.other, request(seeds=OTHER, save=save, learning_rate=0.01))
    train(found.longer, request(LONGER, SEEDS[:2], save=save))
    train(found.longer, request(LONGER, save=save))
    return found
