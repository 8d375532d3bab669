"""A sweep as data: pandas, a row a run; xarray, every metric with named axes. The columns: docs/data.md."""

import html as escapes
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from grokjax import sweep as sweeps
from grokjax import tasks
from grokjax.config import FREEZABLE, Hyper
from grokjax.curves import grokking
from grokjax.run import described

if TYPE_CHECKING:
    from grokjax.checkpoints.sweep import Sweep

FINAL = ("loss", "accuracy", "test_loss", "test_accuracy")
"""The metrics whose values at the end are columns of the table."""
READ = (*FINAL, "exact_match", "test_exact_match", "test_step")
"""The metrics that the table is made of."""
UNITS = {"loss": "nats", "accuracy": "share", "exact_match": "share"}
SHOWN = 12
"""Runs and values that a notebook's summary of a sweep lists."""


def rows(task: Any, hypers: Hyper, metrics: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Returns a dict for every run: its number, what was swept, where it ended, when it generalised.

    metrics: those of READ that there are
    Losses are in nats, accuracies are shares, times are optimiser steps. None or NaN is what a run has not.
    """
    found: list[dict[str, Any]] = [dict(run=run) | row for run, row in enumerate(sweeps.rows(hypers))]
    for row in found:
        row |= {name: as_typed(name, value) for name, value in row.items() if name == "frozen"}
    if "loss" not in metrics:
        return found
    last = {name: grokking.ends(metrics, name) for name in FINAL}
    digits = sorted(zip(task.columns, tasks.answer_digits(task), strict=True))
    times = grokking.times(metrics) if task.finite else None
    for run, row in enumerate(found):
        row |= {name: float(x[run].mean()) for name, x in last.items() if np.isfinite(x).any()}
        if len(digits) > 1:
            row |= {f"loss_digit_{digit}": float(last["loss"][run, column]) for column, digit in digits}
        if times is not None:
            row |= _times_of(times, run)
    return found


def _times_of(times: grokking.Times, run: int) -> dict[str, Any]:
    """When a run memorised and generalised, whether it did, and the steps between the two."""
    whole = lambda part: int(part.time[run]) if part.ended[run] else None
    delay = times.delay[run]
    return dict(
        memorised_step=whole(times.memorised),
        generalised_step=whole(times.generalised),
        generalised=bool(times.generalised.ended[run]),
        delay=int(delay) if np.isfinite(delay) else None,
    )


def table(sweep: "Sweep") -> Any:
    """Returns a pandas.DataFrame with a row for every run, see `rows`, and `diverged` and `stopped`."""
    pandas = extra("pandas")
    metrics = sweep.metrics
    found = rows(sweep.task, sweep.hypers, {name: metrics[name] for name in READ if name in metrics})
    frame = pandas.DataFrame(found).set_index("run")
    for name in ("memorised_step", "generalised_step", "delay"):
        if name in frame:
            frame[name] = frame[name].astype("Int64")
    return frame.assign(**sweep.ended())


def dataset(sweep: "Sweep", names: Sequence[str] | None = None) -> Any:
    """Returns an xarray.Dataset of the metrics: every step of every run.

    names: of metrics; None takes all but the gradient norms of single tensors, `gradient_norm.NAME`
    """
    xarray = extra("xarray")
    metrics = sweep.metrics
    chosen = [name for name in metrics if "." not in name] if names is None else list(names)
    variables = {}
    for name in chosen:
        if name != "test_step":
            values = metrics[name]
            axes = ("run", "test_step" if name.startswith("test_") else "step", "digit")[: values.ndim]
            units = UNITS.get(name.removeprefix("test_"), "")
            variables[name] = (axes, values, {"units": units} if units else {})
    lengths = dict(pair for axes, x, _ in variables.values() for pair in zip(axes, x.shape, strict=True))
    coordinates: dict[str, Any] = dict(run=np.arange(sweep.num_runs))
    if "step" in lengths:
        coordinates["step"] = ("step", np.arange(lengths["step"]), {"units": "optimiser steps before it"})
    if "test_step" in lengths:
        coordinates["test_step"] = ("test_step", metrics["test_step"], {"units": "optimiser steps before it"})
    if "digit" in lengths:
        coordinates["digit"] = sorted(tasks.answer_digits(sweep.task))
    swept = sweeps.rows(sweep.hypers)
    coordinates |= {name: ("run", [row[name] for row in swept]) for name in swept[0]}
    columns = {name: np.asarray(column)[0] for name, column in vars(sweep.hypers).items()}
    fixed = {name: float(str(value)) for name, value in columns.items() if name not in swept[0]}
    about = {name: described(getattr(sweep, name)) for name in ("task", "config", "recipe")}
    return xarray.Dataset(variables, coordinates, {**about, **fixed, "directory": str(sweep.directory)})


def as_typed(name: str, value: float) -> str:
    """Returns a field's value as it is typed: frozen tensors by name, a number in its shortest text."""
    if name != "frozen":
        return str(value).removesuffix(".0")
    return "+".join(tensor for i, tensor in enumerate(FREEZABLE) if int(value) >> i & 1) or "none"


def extra(name: str) -> Any:
    """Returns a module of the extra `data`. Raises ImportError that says how to get it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(
            f"{name} is not installed, and this needs it: pip install {name}, or grokjax with its extra, "
            "pip install 'grokjax[data]'"
        ) from error


def html(sweep: "Sweep") -> str:
    """Returns what a notebook shows of a sweep: what it is, and what was swept."""
    rows = dict(
        task=described(sweep.task),
        model=described(sweep.config),
        runs=str(sweep.num_runs),
        steps=f"{sweep.num_steps:,}, {sweep.epoch_steps} to an epoch",
        epochs=_some(sweep.epochs) or "none saved yet",
    )
    for name in sweeps.rows(sweep.hypers)[0]:
        values = dict.fromkeys(row[name] for row in sweeps.rows(sweep.hypers))
        rows[name] = _some([as_typed(name, value) for value in values])
    rows["directory"] = str(sweep.directory)
    cells = (
        f"<tr><th style='text-align:left'>{escapes.escape(name)}</th>"
        f"<td style='text-align:left'>{escapes.escape(text)}</td></tr>"
        for name, text in rows.items()
    )
    return f"<table>{''.join(cells)}</table>"


def _some(values: Sequence[Any]) -> str:
    """The values, of many the first and the last."""
    if len(values) <= SHOWN:
        return ", ".join(map(str, values))
    return f"{', '.join(map(str, values[: SHOWN - 2]))}, … {values[-1]} ({len(values)})"
