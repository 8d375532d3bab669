"""What the flags ask for: the task, the knobs of every run, and how to run and save them."""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from grokjax import presets, sweep
from grokjax.checkpoints import schedule
from grokjax.cli import values
from grokjax.cli.flags import TASKS, fields, parse
from grokjax.cli.help_texts import SPELLINGS
from grokjax.cli.values import UsageError
from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.objective import Task

MOST_RUNS = 1_000_000


class Request(NamedTuple):
    """A sweep as a user asked for it; hypers have leaves [S], the runs of a seed beside each other."""

    task_name: str
    task: Task
    config: ModelConfig
    recipe: Recipe
    hypers: Hyper
    steps: int
    epoch_steps: int
    block: int | None
    save: str
    output: str
    resume: bool
    dry_run: bool


def read(argv: Sequence[str]) -> Request:
    """The request of a command line. UsageError (one sentence) for a mistake; nothing is computed or written."""
    given = parse(argv)
    try:
        return build(given)
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(as_flags(str(error))) from None


def as_flags(sentence: str) -> str:
    """The sentence with fields named as their flags: layers=0, not num_layers=0."""
    return re.sub(r"\b\w+(?==)", lambda field: SPELLINGS.get(field[0], field[0]), sentence)


def build(given: dict[str, Any]) -> Request:
    """The request of flags that were given."""
    name = chosen("task", given.get("task", "addition"), TASKS)
    task = task_of(name, given)
    config, recipe, hyper = preset_of(name, task, given)
    config = dataclasses.replace(config, **overrides(ModelConfig, given, without=fields(TASKS[name])))
    check_sizes(config, task)
    recipe = dataclasses.replace(recipe, **overrides(Recipe, given))
    schedule.epochs(given.get("save", "log"), 1)
    return Request(
        task_name=name,
        task=task,
        config=config,
        recipe=recipe,
        hypers=hypers_of(task, recipe, hyper, given),
        steps=count(given, "steps", "5000"),
        epoch_steps=count(given, "epoch_steps", "50"),
        block=None if given.get("block", "none") == "none" else count(given, "block", "1"),
        save=given.get("save", "log"),
        output=text("output", given.get("output", f"runs/{name}")),
        resume=bool(given.get("resume")),
        dry_run=bool(given.get("dry_run")),
    )


def count(given: dict[str, Any], flag: str, default: str) -> int:
    """A number of at least 1."""
    return values.integer(flag, given.get(flag, default), least=1)


def chosen(flag: str, value: str, table: dict[str, Any]) -> str:
    """A name that a table has."""
    if value not in table:
        raise UsageError(f"--{flag}={value!r} must be one of {', '.join(table)}")
    return value


def text(flag: str, value: str) -> str:
    """A text that is not empty."""
    if not value.strip():
        raise UsageError(f"--{flag}='' is empty: give it a value or leave the flag out")
    return value


def overrides(cls: type, given: dict[str, Any], without: Any = ()) -> dict[str, Any]:
    """The fields of a dataclass that the user gave, read by their annotations."""
    read = lambda flag, hint: given[flag] if hint is bool else values.one(flag, given[flag], hint)
    spelled = {
        name: (SPELLINGS.get(name, name), hint) for name, hint in fields(cls).items() if name not in without
    }
    return {name: read(flag, hint) for name, (flag, hint) in spelled.items() if flag in given}


def task_of(name: str, given: dict[str, Any]) -> Task:
    """The task with its options; an option of another task is refused."""
    own = fields(TASKS[name])
    others = {SPELLINGS.get(option, option) for cls in TASKS.values() for option in fields(cls)} - {
        SPELLINGS.get(x, x) for x in own
    }
    others -= set(fields(ModelConfig)) - {"base", "order"}
    if strange := sorted(others & set(given)):
        taken = ", ".join(f"--{SPELLINGS.get(option, option)}" for option in own)
        raise UsageError(
            f"--{strange[0]}={given[strange[0]]} is no option of the task {name!r}, which takes {taken}"
        )
    options = overrides(TASKS[name], given)
    if options.get("num_examples") is not None:
        options.setdefault("batch_size", None)  # of a finite table the whole training set
    return TASKS[name](**options)


def preset_of(name: str, task: Task, given: dict[str, Any]) -> tuple[ModelConfig, Recipe, Hyper]:
    """The preset by its name, or the task's usual one."""
    usual = "nanda_addition" if name in ("addition", "digitwise") else "nanda"
    return presets.PRESETS[chosen("preset", given.get("preset", usual), presets.PRESETS)](task)


def check_sizes(config: ModelConfig, task: Task) -> None:
    """Tables must hold the task; the number of logits is the task's alone."""
    for name in ("vocabulary", "num_positions"):
        if getattr(config, name) < getattr(task, name):
            raise UsageError(
                f"--{name}={getattr(config, name)} must be at least {getattr(task, name)}, which the task needs"
            )
    if config.num_outputs != task.num_outputs:
        raise UsageError(
            f"--num_outputs={config.num_outputs} must be {task.num_outputs}, which the task scores"
        )


def hypers_of(task: Task, recipe: Recipe, hyper: Hyper, given: dict[str, Any]) -> Hyper:
    """The grid [S] of the seeds (slowest, so that more seeds are more runs at the end) and of every list."""
    names = [name for name in fields(Hyper) if name in given and name != "seed"]
    lists = {name: values.grid(name, given[name]) for name in names}
    seeds = seeds_of(given)
    if (size := len(seeds) * math.prod(map(len, lists.values()))) > MOST_RUNS:
        raise UsageError(f"the grid has {size} runs, it may have at most {MOST_RUNS}")
    hypers = sweep.grid(hyper, seed=seeds, **lists)
    if "train_fraction" in lists and not task.finite:
        raise UsageError(
            f"--train_fraction={given['train_fraction']} is for finite tables; this task draws a fresh batch at each step"
        )
    if recipe.schedule == "cosine" and "decay_steps" not in lists:
        raise UsageError("--schedule=cosine needs --decay_steps, the step at which the rate reaches 0")
    return hypers


def seeds_of(given: dict[str, Any]) -> list[int]:
    """The seeds K … K + N - 1 of --seeds N --first_seed K, or those that --seed lists."""
    if "seed" in given:
        if clash := [flag for flag in ("seeds", "first_seed") if flag in given]:
            raise UsageError(f"--seed={given['seed']} and --{clash[0]}={given[clash[0]]} exclude each other")
        return [int(seed) for seed in values.grid("seed", given["seed"])]
    number = values.integer("seeds", given.get("seeds", "8"), least=1)
    if number > MOST_RUNS:
        raise UsageError(f"--seeds={number} must be at most {MOST_RUNS}")
    first = values.integer("first_seed", given.get("first_seed", "0"), least=0)
    if first + number - 1 > values.LARGEST_INTEGER:
        most = values.LARGEST_INTEGER - number + 1
        raise UsageError(
            f"--first_seed={first} must be at most {most}, so that all {number} seeds fit into 32 bits"
        )
    return list(range(first, first + number))
