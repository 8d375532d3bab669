"""Read a sweep from its directory, lazily: `open_sweep(directory)`."""

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from grokjax import sweep
from grokjax.checkpoints import (
    description,
    identity,
    metrics,
    names,
    paths,
    record,
    saved,
    schedule,
    snapshots,
    tables,
)
from grokjax.checkpoints import spec as specs
from grokjax.config import Hyper
from grokjax.run import Run, described
from grokjax.training.state import Program, RunState, shapes


class Sweep:
    """A sweep's directory. Nothing is read before it is asked for, and what is read is checked.

    trusted: modules, classes and functions of the user's that its settings may name (see `names`)

    An epoch is given by its number, or counted from the last one saved: -1, which is also what None stands
    for; or by `step`, the optimiser steps done. `len(sweep)` is the number of runs.
    """

    def __init__(self, directory: str | pathlib.Path, trusted: Sequence[Any] = ()):
        self.directory = paths.local(directory)
        self.trusted = tuple(trusted)
        self.record = specs.read(self.directory)
        self._parts = identity.places(self.directory, self.record)

    def __repr__(self) -> str:
        try:
            task = described(self.task)
        except ValueError:
            task = self.record["task"]["class"]
        number, missing = len(self.epochs), self.missing
        lacks = f" (of which {', '.join(map(str, missing))} should be there and are not)" if missing else ""
        return (
            f"sweep of {self.num_runs} runs, {self.num_steps} steps of {task}, "
            f"{number} epoch{'s' * (number != 1)} saved{lacks}, in {self.directory}"
        )

    def __len__(self) -> int:
        return self.num_runs

    def __bool__(self) -> bool:
        return True

    @functools.cached_property
    def task(self) -> Any:
        """The task. Raises ValueError if it is a class that may not be looked up (see `names`)."""
        return record.decode(self.record["task"], "task", self.trusted)

    @functools.cached_property
    def config(self) -> Any:
        """The ModelConfig."""
        return record.decode(self.record["config"], "config", self.trusted)

    @functools.cached_property
    def recipe(self) -> Any:
        """The Recipe. Raises ValueError if it holds a function that may not be looked up (see `names`)."""
        return record.decode(self.record["recipe"], "recipe", self.trusted)

    @functools.cached_property
    def hypers(self) -> Hyper:
        """The Hyper of all runs, leaves [S]."""
        columns = description.read_hypers(self.directory, self.record)
        cls = names.dataclass(self.record["hypers"]["class"], "hypers", self.trusted)
        try:
            return cls(**description.completed(columns, cls))
        except TypeError as error:
            raise ValueError(
                f"{self.directory / description.HYPERS} is damaged: its columns are not fields of "
                f"{cls.__name__} ({error})"
            ) from error

    @property
    def num_runs(self) -> int:
        """The number of runs, S."""
        return specs.num_runs_of(self.record)

    @property
    def num_steps(self) -> int:
        """Optimiser steps that every run is to make."""
        return self.record["steps"]

    @property
    def epoch_steps(self) -> int:
        """Optimiser steps of an epoch; the last may be shorter."""
        return self.record["epoch_steps"]

    @property
    def epochs(self) -> list[int]:
        """The epochs saved for ever in all parts, and the newest, ascending.

        Looked up each time: a sweep can be watched while it runs.
        """
        common = saved.common(self._parts)
        return sorted(
            epoch
            for epoch in common
            if epoch in self._planned or epoch == max(common) or saved.is_kept(self._parts, epoch)
        )

    @property
    def missing(self) -> list[int]:
        """The epochs that should have been saved by now and are not there: somebody removed them."""
        common = saved.common(self._parts)
        return [epoch for epoch in self._planned if epoch not in common and epoch < max(common, default=0)]

    def steps(self, epoch: int) -> int:
        """Returns the optimiser steps done at a saved epoch."""
        epoch = self._epoch(epoch)
        return max(
            snapshots.manifest(place.snapshots, epoch, place.identity)["step"] for place in self._parts
        )

    @property
    def metrics(self) -> metrics.Metrics:
        """Every step of every run by name, numpy arrays: `sweep.metrics["loss"]` [S, T, C], see `Metrics`."""
        return metrics.Metrics(self._parts, saved.reached)

    def runs(self, epoch: int | None = None, *, step: int | None = None) -> Run:
        """Returns all runs at a saved epoch (the last one by default) as a stack, leaves [S, ...]."""
        epoch = self._epoch(epoch, step)
        return Run(self.task, self.config, self.params(epoch), self.hypers, self.recipe)

    def run(self, i: int, epoch: int | None = None, *, step: int | None = None) -> Run:
        """Returns run number i at a saved epoch (the last one by default); the others are not read."""
        epoch = self._epoch(epoch, step)
        hyper = sweep.select(self.hypers, self._checked(i))
        return Run(self.task, self.config, self.params(epoch, i), hyper, self.recipe)

    def where(self, **values: float) -> np.ndarray:
        """Returns the indices of the runs that have these values: `sweep.where(weight_decay=1)`.

        Raises ValueError for what is no field of Hyper.
        """
        return sweep.where(self.hypers, **values)

    def table(self) -> Any:
        """Returns a pandas.DataFrame, a row a run: what was swept, where it ended, when it generalised."""
        return tables.table(self)

    def to_xarray(self, names: Sequence[str] | None = None) -> Any:
        """Returns an xarray.Dataset of the metrics (or of those named) over run, step and digit."""
        return tables.dataset(self, names)

    def ended(self) -> dict[str, np.ndarray]:
        """Returns which runs were frozen at the newest state: `diverged` and `stopped`, [S] each."""
        return saved.ended(self._parts, self.full_epochs())

    def _repr_html_(self) -> str:
        return tables.html(self)

    def params(self, epoch: int | None = None, run: int | None = None) -> PyTree:
        """Returns the parameters at a saved epoch, leaves [S, ...], or those of one run.

        With `run` no others are read. Raises ValueError for an epoch that is not saved, a run that does not
        exist, or a damaged file (which, and whose).
        """
        return snapshots.plain(self._leaves(self._epoch(epoch), "params", run))

    def state(self, epoch: int | None = None, run: int | None = None) -> RunState:
        """Returns the full state at a saved epoch, leaves [S, ...], or that of one run.

        The newest two epochs have it, or all with save="all". Raises ValueError for another.
        """
        epoch = self._epoch(epoch)
        leaves = {
            f"params.{name}": leaf for name, leaf in self._leaves(epoch, "params", run).items()
        } | self._leaves(epoch, "rest", run)
        target = shapes(Program(self.task, self.config, self.recipe))
        lifted = leaves if run is None else {name: leaf[None] for name, leaf in leaves.items()}
        state = snapshots.shaped(lifted, target, f"epoch {epoch} in {self.directory}")
        return state if run is None else jax.tree.map(lambda leaf: leaf[0], state)

    def full_epochs(self) -> list[int]:
        """Returns the epochs whose full state is still there, ascending."""
        return [
            epoch
            for epoch in self.epochs
            if all(snapshots.is_full(place.snapshots, epoch) for place in self._parts)
        ]

    def _leaves(self, epoch: int, item: str, run: int | None) -> dict[str, np.ndarray]:
        if item == "rest" and epoch not in (full := self.full_epochs()):
            raise ValueError(
                f"{self.directory} keeps only the parameters of epoch {epoch}; full states are there of "
                f"epochs {full}"
            )
        return saved.leaves(self._parts, epoch, item, None if run is None else self._checked(run))

    @functools.cached_property
    def _planned(self) -> tuple[int, ...]:
        """The epochs that are saved for ever once the sweep is finished."""
        return schedule.epochs(self.record["save"], -(-self.num_steps // self.epoch_steps))

    def _checked(self, run: int) -> int:
        whole = isinstance(run, int | np.integer) and not isinstance(run, bool)
        if not whole or not 0 <= run < self.num_runs:
            raise ValueError(
                f"run={run} must be one of 0 … {self.num_runs - 1}, the runs of {self.directory}"
            )
        return int(run)

    def _epoch(self, epoch: int | None = None, step: int | None = None) -> int:
        """Returns the number of a saved epoch, from its number, from the end, or by its step."""
        there = self.epochs
        listed = ", ".join(map(str, there)) or "none yet"
        if step is not None:
            if epoch is not None:
                raise ValueError(f"epoch={epoch} and step={step} exclude each other: give one of them")
            steps = {self.steps(number): number for number in there}
            if step not in steps:
                known = ", ".join(map(str, steps)) or "none yet"
                raise ValueError(f"step={step} is not saved in {self.directory}; saved are the steps {known}")
            return steps[step]
        number = -1 if epoch is None else epoch
        if isinstance(number, int | np.integer) and -len(there) <= number < 0:
            return there[number]
        if number not in there:
            raise ValueError(f"epoch={epoch} is not saved in {self.directory}; saved are {listed}")
        return int(number)


def open_sweep(directory: str | pathlib.Path, trusted: Sequence[Any] = ()) -> Sweep:
    """Returns the sweep in a directory, of which nothing is read yet but its description.

    trusted: modules, classes and functions of your own that its settings may name. Without them only the
      project's dataclasses are found, and what your program has defined itself; nothing is imported or run
      because a file names it.
    Raises FileNotFoundError or ValueError, in one sentence, if there is none, or a damaged one.
    """
    return Sweep(directory, trusted)
