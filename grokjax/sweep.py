"""Sweeps of the traced knobs: Hyper with leaves [S] from lists of values; check, select, describe."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from grokjax import trees
from grokjax.config import FREEZABLE, INTEGERS, Hyper, ModelConfig, Recipe
from grokjax.config.options import OF_INTERVENTIONS

INFINITY = float("inf")
LARGEST_SEED = 2**31 - 1
RANGES: dict[str, tuple[float, float, str]] = {
    "seed": (0, LARGEST_SEED, "from 0 to 2^31 - 1"),
    "data_seed": (-1, LARGEST_SEED, "from 0 to 2^31 - 1, or -1 for the seed of the run"),
    "split_seed": (-1, LARGEST_SEED, "from 0 to 2^31 - 1, or -1 for the seed of the run"),
    "frozen": (0, 2 ** len(FREEZABLE) - 1, f"from 0 to 2^{len(FREEZABLE)} - 1, see grokjax.config.freeze"),
    "b1": (0, 1, "at least 0 and below 1"),
    "b2": (0, 1, "at least 0 and below 1"),
    "momentum": (0, 1, "at least 0 and below 1"),
    "eps": (0, INFINITY, "above 0"),
    "train_fraction": (0, 1, "above 0 and at most 1"),
    "label_noise": (0, 1, "from 0 to 1"),
    "attention_rate": (0, 1, "from 0 to 1"),
    "grokfast_decay": (0, 1, "at least 0 and below 1"),
    "orthograd": (0, 1, "from 0 to 1"),
    "temperature": (0, INFINITY, "above 0"),
}
"""Field -> least, most, in words. A field that is not here must be at least 0."""
LEAST_EXCLUDED = ("eps", "train_fraction", "temperature")
MOST_EXCLUDED = ("b1", "b2", "momentum", "grokfast_decay")


def _checked(name: str, values: Any) -> np.ndarray:
    """Returns `values` as int32 or float32, [] or [S].

    Raises ValueError naming the field, the first bad value and what is allowed.
    """
    least, most, allowed = RANGES.get(name, (0, INFINITY, "at least 0"))
    kind = "an integer" if name in INTEGERS else "a finite number"
    flat = np.asarray(values)
    if flat.dtype.kind not in "iuf":
        raise ValueError(f"{name}={values!r} must be {kind} {allowed}")
    wide = flat.astype(np.float64)
    bad = ~np.isfinite(wide) | (wide < least) | (wide > most)
    bad |= (wide == least) & (name in LEAST_EXCLUDED) | (wide == most) & (name in MOST_EXCLUDED)
    bad |= (wide != np.floor(wide)) & (name in INTEGERS)
    with np.errstate(over="ignore"):
        narrow = flat if bad.any() else flat.astype(np.int32 if name in INTEGERS else np.float32)
    # what is in range as it is written must still be so in float32: .99999999 is not below 1 there
    bad |= (
        (narrow == most) & (name in MOST_EXCLUDED)
        | (narrow == least) & (name in LEAST_EXCLUDED)
        | ~np.isfinite(narrow)
    )
    if bad.any():
        raise ValueError(
            f"{name}={flat[bad].flat[0].item() if flat.ndim else flat.item()} must be {kind} {allowed}"
        )
    return narrow


def check(hyper: Hyper) -> Hyper:
    """Returns the same hyper, or hypers, with every leaf int32 or float32.

    Raises ValueError naming the field, the first bad value and what is allowed.
    """
    return Hyper(
        **{
            field.name: jnp.asarray(_checked(field.name, getattr(hyper, field.name)))
            for field in dataclasses.fields(Hyper)
        }
    )


def _lists(lists: dict[str, Any]) -> dict[str, np.ndarray]:
    """Returns each list as a checked array [length]; a single number is a list of one."""
    names = [field.name for field in dataclasses.fields(Hyper)]
    if unknown := [name for name in lists if name not in names]:
        raise ValueError(f"{unknown[0]} is no field of Hyper; there are {', '.join(names)}")
    arrays = {}
    for name, values in lists.items():
        values = (
            list(values)
            if isinstance(values, Iterable) and not isinstance(values, str | np.ndarray | jax.Array)
            else values
        )
        arrays[name] = np.atleast_1d(_checked(name, values))
        if arrays[name].ndim != 1 or not arrays[name].size:
            raise ValueError(f"{name}={values!r} must be a number or a list of at least one number")
    return arrays


def _refuse_copies(columns: dict[str, np.ndarray], size: int) -> None:
    """Raises a ValueError for a run that is a copy of an earlier one: it would count and be no evidence."""
    rows = list(zip(*(column.tolist() for column in columns.values()), strict=True)) or [()] * size
    if len(set(rows)) == len(rows):
        return
    run = next(i for i, row in enumerate(rows) if row in rows[:i])
    same = ", ".join(f"{name}={_shortest(column[run])}" for name, column in columns.items())
    raise ValueError(
        f"runs {rows.index(rows[run])} and {run} are the same, {same}: give each run something of its own"
    )


def _spread(hyper: Hyper, size: int, columns: dict[str, np.ndarray]) -> Hyper:
    """Returns Hypers with leaves [size]: the given columns, all else as in `hyper`."""
    base = {
        field.name: _checked(field.name, getattr(hyper, field.name)) for field in dataclasses.fields(Hyper)
    }
    if several := [name for name, value in base.items() if value.ndim]:
        raise ValueError(
            f"{several[0]} of the hyper to start from has shape {base[several[0]].shape}; "
            "it must be one run's, a scalar"
        )
    return Hyper(
        **{
            name: jnp.asarray(columns.get(name, np.broadcast_to(value, (size,))))
            for name, value in base.items()
        }
    )


def grid(hyper: Hyper, **lists: Any) -> Hyper:
    """Returns hypers of every combination of the lists, the first named one slowest.

    What is not named is as in `hyper`. Raises ValueError for a value that is listed twice.
    """
    arrays = _lists(lists)
    for name, array in arrays.items():
        values, counts = np.unique(array, return_counts=True)
        if (counts > 1).any():
            twice = _shortest(values[counts > 1][0])
            times = counts.max()
            raise ValueError(f"{name}={twice} is listed {times} times: it would be the same run again")
    rows = np.array(list(itertools.product(*(range(len(array)) for array in arrays.values()))), int)
    return _spread(
        hyper, len(rows), {name: array[rows[:, i]] for i, (name, array) in enumerate(arrays.items())}
    )


def paired(hyper: Hyper, **lists: Any) -> Hyper:
    """Returns hypers that take the first of every list, then the second, and so on.

    The lists are of one length; a single number is for all runs. Raises ValueError for two equal runs.
    """
    arrays = _lists(lists)
    size = max((len(array) for array in arrays.values()), default=1)
    if odd := [name for name, array in arrays.items() if len(array) not in (1, size)]:
        raise ValueError(
            f"{odd[0]} has {len(arrays[odd[0]])} values, the longest list {size}: "
            "paired lists must be of one length"
        )
    columns = {name: np.broadcast_to(array, (size,)) for name, array in arrays.items()}
    _refuse_copies(columns, size)
    return _spread(hyper, size, columns)


def concatenate(sweeps: Sequence[Hyper]) -> Hyper:
    """Returns the runs of several sweeps, one sweep after another.

    A single hyper counts as a sweep of one run.
    """
    if not sweeps:
        raise ValueError("sweeps=[] must hold at least one sweep")
    return jax.tree.map(
        lambda *leaves: jnp.concatenate([jnp.atleast_1d(leaf) for leaf in leaves]), *map(check, sweeps)
    )


def num_runs(hypers: Hyper) -> int:
    """Returns the number of runs of a sweep, S."""
    if not jnp.ndim(hypers.seed):
        raise ValueError(
            "hypers.seed is a scalar: this is one run, not a sweep; grid(hyper) makes a sweep of one"
        )
    return jnp.shape(hypers.seed)[0]


def select(hypers: Hyper, index: Any) -> Hyper:
    """Returns the run `index` (an int: scalar leaves), or the runs of a slice, list or mask (leaves [S])."""
    size = num_runs(hypers)
    if isinstance(index, int | np.integer) and not -size <= index < size:
        raise ValueError(f"index={index} must be below the number of runs, {size}")
    index = index if isinstance(index, int | np.integer | slice) else np.asarray(index)
    return trees.pick(hypers, index)


def where(hypers: Hyper, **values: float) -> np.ndarray:
    """Returns the indices of the runs that have these values of the fields; a list allows each of its values.

    Raises ValueError for what is no field of Hyper.
    """
    chosen = np.ones(num_runs(hypers), bool)
    for name, value in values.items():
        if not hasattr(hypers, name):
            names = ", ".join(field.name for field in dataclasses.fields(Hyper))
            raise ValueError(f"{name} is no field of {type(hypers).__name__}; there are {names}")
        column = np.asarray(getattr(hypers, name))
        chosen &= np.isin(column, np.asarray(value, column.dtype))
    return np.flatnonzero(chosen)


def rows(hypers: Hyper) -> list[dict[str, int | float]]:
    """Returns one dict per run: its seed and every field in which the runs differ."""
    columns = {field.name: np.asarray(getattr(hypers, field.name)) for field in dataclasses.fields(Hyper)}
    swept = [name for name, column in columns.items() if name == "seed" or (column != column[0]).any()]
    return [{name: _shortest(columns[name][run]) for name in swept} for run in range(num_runs(hypers))]


def _shortest(value: np.generic) -> int | float:
    """Returns a Python number that reads back to the same bits: 0.001, not 0.0010000000474974513."""
    return int(value) if value.dtype.kind == "i" else float(str(value))


def idle(task: Any, config: ModelConfig, recipe: Recipe) -> dict[str, str]:
    """Returns the fields of Hyper that change nothing in a sweep of this task, model and recipe, and why.

    A grid over one of them would train copies of each run.
    """
    found: dict[str, str] = {}
    if not callable(recipe.optimizer):
        if recipe.optimizer == "sgd":
            found |= dict.fromkeys(("b1", "b2", "eps"), "sgd has no moments of the gradient")
        elif recipe.optimizer != "muon":
            found["momentum"] = "only sgd and muon have momentum"
        if recipe.schedule == "constant":
            found["decay_steps"] = "schedule='constant' does not decay"
        for field, names in OF_INTERVENTIONS.items():
            if not any(map(recipe.intervenes, names)):
                found[field] = f"interventions={recipe.interventions!r} has no {' or '.join(names)}"
    if not task.finite:
        reason = "the task draws fresh examples at each step, there is no table to split"
        found |= dict.fromkeys(("train_fraction", "split_seed", "label_noise"), reason)
    elif task.batch_size is None:
        found["data_seed"] = "every step takes the whole training set, no batch is drawn"
    if config.attention != "live":
        reason = f"attention={config.attention!r} has no queries and keys"
        found |= dict.fromkeys(("scale_W_Q", "scale_W_K"), reason)
    if config.positions not in ("learned", "abacus"):
        found["scale_W_pos"] = f"positions={config.positions!r} has no learned vectors"
    if not config.mlp:
        found |= dict.fromkeys(("scale_W_in", "scale_W_out"), "mlp=False has no MLP")
    return found
