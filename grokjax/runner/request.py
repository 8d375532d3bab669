"""What a sweep is asked to be: `Request`, from objects, or by the names of knobs with `made`."""

import dataclasses
import difflib
import math
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from grokjax import presets, sweep, tasks, training
from grokjax.checkpoints import schedule
from grokjax.config import Hyper, ModelConfig, Recipe, at_least
from grokjax.tasks import Task

TASKS: dict[str, Any] = {
    "addition": tasks.Addition,
    "digitwise": tasks.DigitwiseAddition,
    "modular": tasks.ModularArithmetic,
    "group": tasks.GroupComposition,
    "induction": tasks.Induction,
    "skip_trigram": tasks.SkipTrigram,
}
SHORT = {"digits": "num_digits", "layers": "num_layers", "heads": "num_heads", "batch": "batch_size"}
"""Short names that flags and experiments use for fields; the field's own name works too."""
DIGIT_TASKS = ("addition", "digitwise")
MOST_RUNS = 1_000_000
LARGEST_SEED = 2**31 - 1


class UsageError(ValueError):
    """A user's mistake, in one sentence."""


@dataclasses.dataclass(frozen=True, eq=False)
class Request:
    """A sweep that is asked for. Raises ValueError, in one sentence, for what cannot be meant.

    task, config, recipe: the same for all runs
    hypers: leaves [S], a run each; no two runs alike
    steps: optimiser steps of every run;  epoch_steps: those of one epoch, which `save` counts
    save: log (at most 64 epochs) | all (with full states) | every:K | 0,10,100
    block: runs that share one program, part of a run's bits; None: what the directory has recorded, or else
      what follows from the model's sizes and the kind of device
    resume: go on with what the directory holds; False refuses a directory that holds a sweep
    command: what asked for it, which is recorded
    """

    task: Task
    config: ModelConfig
    recipe: Recipe
    hypers: Hyper
    steps: int
    epoch_steps: int = 50
    save: str = "log"
    block: int | None = None
    resume: bool = True
    command: str = ""

    def __post_init__(self) -> None:
        for name in ("steps", "epoch_steps", "block"):
            if getattr(self, name) is not None or name != "block":
                at_least(name, getattr(self, name), 1)
        schedule.epochs(self.save, 1)
        object.__setattr__(self, "hypers", training.check(self.task, self.config, self.recipe, self.hypers))
        refuse_twins(self.hypers)
        refuse_idle_grids(self)

    @property
    def num_runs(self) -> int:
        """S."""
        return sweep.num_runs(self.hypers)


def refuse_twins(hypers: Hyper) -> None:
    """Raises ValueError where two runs are alike: they would count as two and be one."""
    columns = np.stack([np.asarray(leaf, np.float64) for leaf in vars(hypers).values()], 1)
    _, first, counts = np.unique(columns, axis=0, return_index=True, return_counts=True)
    if (counts > 1).any():
        run = int(first[counts > 1].min())
        twin = int(np.flatnonzero((columns == columns[run]).all(1))[1])
        seed = int(np.asarray(hypers.seed)[run])
        raise ValueError(
            f"runs {run} and {twin} are one run twice (seed={seed}, all else equal): name every value once"
        )


def refuse_idle_grids(request: Request) -> None:
    """Raises ValueError where runs differ in a knob that does nothing for this task, config and recipe."""
    reasons = sweep.idle(request.task, request.config, request.recipe)
    for name in swept(request.hypers):
        if name in reasons:
            values = ",".join(map(str, np.unique(np.asarray(getattr(request.hypers, name)))[:3]))
            raise ValueError(f"{name}={values} makes several runs of one: {reasons[name]}")


def swept(hypers: Hyper) -> list[str]:
    """The fields of Hyper, but the seed, in which runs differ."""
    names = [field.name for field in dataclasses.fields(hypers) if field.name != "seed"]
    columns = {name: np.asarray(getattr(hypers, name)) for name in names}
    return [name for name, column in columns.items() if (column != column[0]).any()]


def fields(cls: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, with their annotations; of a partial class those that are open."""
    fixed = getattr(cls, "keywords", {})
    cls = getattr(cls, "func", cls)
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.name not in fixed}


def made(
    task: str = "addition",
    *,
    preset: str | None = None,
    seeds: int | Sequence[int] = 8,
    steps: int = 5000,
    epoch_steps: int = 50,
    save: str = "log",
    block: int | None = None,
    resume: bool = True,
    command: str = "",
    **knobs: Any,
) -> Request:
    """The request of a task and a preset by name, with knobs by the names of their fields.

    preset: None takes the usual one: nanda_addition for digits, else nanda
    seeds: how many, counted from 0, or which; every list of `knobs` is tried with each of them
    knobs: fields of the task, ModelConfig, Recipe and Hyper; a list for a field of Hyper is a grid
    Raises ValueError for a name that does not exist, or a value that is not allowed.
    """
    knobs = {SHORT.get(name, name): value for name, value in knobs.items()}
    thing, model, rest, lists = sorted_out(chosen("task", task, TASKS), knobs)
    usual = "nanda_addition" if task in DIGIT_TASKS else "nanda"
    prepared = presets.PRESETS[chosen("preset", preset or usual, presets.PRESETS)]
    own = task_of(TASKS[task], thing)
    config, recipe, hyper = prepared(own, **model)
    recipe = dataclasses.replace(recipe, **rest)
    hypers = grid(hyper, seeds, lists)
    require_what_is_used(own, recipe, lists)
    return Request(own, config, recipe, hypers, steps, epoch_steps, save, block, resume, command)


def require_what_is_used(task: Task, recipe: Recipe, lists: Mapping[str, Any]) -> None:
    """Raises ValueError for a share of no table, and for a cosine without an end."""
    for name in ("train_fraction", "label_noise"):
        if name in lists and not task.finite:
            given = ",".join(map(str, np.atleast_1d(lists[name])))
            raise ValueError(
                f"{name}={given} is of a finite table; this task draws fresh batches without end"
            )
    if recipe.schedule == "cosine" and "decay_steps" not in lists:
        raise ValueError("schedule=cosine needs decay_steps=K, the step at which the rate reaches 0")


def chosen(name: str, value: str, table: Mapping[str, Any]) -> str:
    """A name that a table has."""
    if value not in table:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(table)}")
    return value


def sorted_out(task: str, knobs: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """The knobs of the task, the model, the recipe and the hypers. Raises ValueError for any other name."""
    own = fields(TASKS[task])
    homes = (own, fields(ModelConfig), fields(Recipe), fields(Hyper))
    found: tuple[dict[str, Any], ...] = ({}, {}, {}, {})
    for name, value in knobs.items():
        home = next((i for i, names in enumerate(homes) if name in names), None)
        if home is None:
            raise ValueError(stranger(name, value, task, own))
        found[home][name] = value
    return found


def stranger(name: str, value: Any, task: str, own: Iterable[str]) -> str:
    """The sentence for a knob that is none of this task, model, recipe or hyper."""
    if any(name in fields(cls) for cls in TASKS.values()):
        return f"{name}={value!r} is no option of the task {task!r}, which takes {', '.join(own)}"
    names = [*own, *fields(ModelConfig), *fields(Recipe), *fields(Hyper)]
    near = difflib.get_close_matches(name, names, 1)
    return f"{name}={value!r} is no knob" + (f": did you mean {near[0]}?" if near else "")


def task_of(cls: Any, options: dict[str, Any]) -> Any:
    """The task with its options; a step takes the whole training set of a table unless said otherwise."""
    if options.get("num_examples") is not None:
        options = {"batch_size": None, **options}
    return cls(**options)


def grid(hyper: Hyper, seeds: int | Sequence[int], lists: dict[str, Any]) -> Hyper:
    """The hypers [S] of every list, the seed slowest, so that more seeds are more runs at the end."""
    if "seed" in lists:
        raise ValueError("seed is given by seeds, how many or which")
    if isinstance(seeds, int | np.integer):
        at_least("seeds", int(seeds), 1)
    elif isinstance(seeds, str) or not len(seeds):
        raise ValueError(f"seeds={seeds!r} must be how many, or a list of at least one")
    sizes = [np.size(value) for value in lists.values()]
    number = int(seeds) if isinstance(seeds, int | np.integer) else len(seeds)
    if number * math.prod(sizes) > MOST_RUNS:
        raise ValueError(
            f"seeds={number} with these lists are {number * math.prod(sizes)} runs, at most {MOST_RUNS}"
        )
    return sweep.grid(
        hyper, seed=range(number) if isinstance(seeds, int | np.integer) else list(seeds), **lists
    )
