"""What is trained: the models of the rows, and how many steps of them make a sample."""

import dataclasses
from typing import NamedTuple

from grokjax import presets, tasks
from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.objective import Task


class Workload(NamedTuple):
    """A model on a task; `yardstick` is a fixed amount of arithmetic per run-step, in GFLOP, whatever the
    program computes.
    """

    name: str
    label: str
    task: Task
    config: ModelConfig
    recipe: Recipe
    hyper: Hyper
    yardstick: float

    @property
    def layers(self) -> int:
        """Of the transformer."""
        return self.config.num_layers


class Effort(NamedTuple):
    """How much is measured, by the number of runs: many short rounds, so that one bad moment of the machine
    is outvoted.

    steps, rival_steps: optimiser steps in a sample of ours, and of a rival that has all runs in one program
    overhead_rounds, overhead_runs: what is compared differs by a few percent, neighbouring samples by 7, so
      these are many
    large, tiny: which of the models, where compiling all of them would take too long
    """

    rounds: dict[int, int]
    steps: dict[int, int]
    rival_steps: dict[int, int]
    tiny_runs: int
    tiny_rounds: int
    tiny_epochs: int
    tiny_rival_steps: int
    sections: bool
    overhead_rounds: int = 300
    overhead_runs: tuple[int, ...] = (8, 128)
    large: tuple[int, ...] = (0, 1, 2)
    tiny: tuple[int, ...] = (0, 1, 2)


FULL = Effort(
    rounds={8: 9, 32: 7, 128: 3},
    steps={8: 10, 32: 5, 128: 2},
    rival_steps={8: 3, 32: 1, 128: 1},
    tiny_runs=32,
    tiny_rounds=9,
    tiny_epochs=2,
    tiny_rival_steps=7,
    sections=True,
)
SMALL = Effort(
    rounds={8: 3},
    steps={8: 5},
    rival_steps={8: 1},
    tiny_runs=8,
    tiny_rounds=3,
    tiny_epochs=2,
    tiny_rival_steps=3,
    sections=False,
    large=(0, 2),
    tiny=(0,),
)
SIZES = dict(full=FULL, small=SMALL)


def addition(num_layers: int) -> Workload:
    """5 digits, 128/4, batch 256. The yardstick is that of 1 layer for 2 layers too: there is none of its
    own.
    """
    task = tasks.Addition(num_digits=5)
    config, recipe, hyper = presets.nanda_addition(task)
    config = dataclasses.replace(config, num_layers=num_layers)
    return Workload(
        "addition", f"5 digits, {num_layers} layer{'s' * (num_layers > 1)}", task, config, recipe, hyper, 1.52
    )


def modular(modulus: int, fraction: float, width: int, yardstick: float) -> Workload:
    """Modular addition, the whole training set at each step."""
    task = tasks.ModularArithmetic(modulus=modulus)
    config, recipe, hyper = presets.nanda(task)
    config, hyper = dataclasses.replace(config, d_model=width), hyper.replace(train_fraction=fraction)
    return Workload(
        "modular", f"modulus {modulus}, {fraction:.0%}, width {width}", task, config, recipe, hyper, yardstick
    )


def single_digit(width: int, yardstick: float) -> Workload:
    """The tens digit of 2-digit addition, batch 256."""
    task = tasks.Addition(num_digits=2, mode="single", digit=1)
    config, recipe, hyper = presets.nanda_addition(task)
    config = dataclasses.replace(config, d_model=width)
    return Workload(
        "addition", f"2 digits, tens digit, width {width}", task, config, recipe, hyper, yardstick
    )


def large() -> list[Workload]:
    """The models of `rows`."""
    return [addition(1), addition(2), modular(113, 0.3, 128, 3.84)]


def tiny() -> list[Workload]:
    """The models of `tiny`, what most users of a CPU run."""
    return [single_digit(64, 0.0776), single_digit(16, 0.0086), modular(23, 0.7, 64, 0.1116)]
