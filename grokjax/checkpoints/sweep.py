"""Read a sweep from its directory, lazily: `open_sweep(directory)`, and `over`, a function of one run over
all runs and epochs.
"""

import functools
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from grokjax.checkpoints import metrics, record, schedule, snapshots
from grokjax.checkpoints import spec as specs
from grokjax.checkpoints.part import folders
from grokjax.config import Hyper
from grokjax.mapping import map_runs
from grokjax.training.state import Program, RunState, shapes


class Sweep:
    """A sweep's directory. Nothing is read before it is asked for, and what is read is checked."""

    def __init__(self, directory: str | pathlib.Path):
        self.directory = pathlib.Path(directory).absolute()
        self.record = specs.read(self.directory)
        self._parts = [folders(self.directory, index) for index in range(len(self.record["parts"]))]

    def __repr__(self) -> str:
        return f"sweep of {self.num_runs} runs, {self.num_steps} steps, in {self.directory}"

    @functools.cached_property
    def task(self) -> Any:
        """The task; ValueError if it is a class of the user's that cannot be imported here."""
        return record.decode(self.record["task"], "task")

    @functools.cached_property
    def config(self) -> Any:
        """The ModelConfig."""
        return record.decode(self.record["config"], "config")

    @functools.cached_property
    def recipe(self) -> Any:
        """The Recipe; ValueError if it holds a function of the user's that cannot be imported here."""
        return record.decode(self.record["recipe"], "recipe")

    @functools.cached_property
    def hypers(self) -> Hyper:
        """The Hyper of all runs, leaves [S]."""
        return record.find(self.record["hypers"]["class"], "hypers")(
            **specs.read_hypers(self.directory, self.num_runs)
        )

    @property
    def num_runs(self) -> int:
        """S."""
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
        """The epochs saved for ever in all parts, and the newest, ascending; looked up each time: a sweep can
        be watched while it runs.
        """
        saved = [set(snapshots.epochs(folder)) for _, folder in self._parts]
        common = set.intersection(*saved)
        planned = set(schedule.epochs(self.record["save"], -(-self.num_steps // self.epoch_steps)))
        return sorted(
            epoch for epoch in common if epoch in planned or epoch == max(common) or self._is_kept(epoch)
        )

    def steps(self, epoch: int) -> int:
        """Optimiser steps done at a saved epoch."""
        self._require(epoch)
        return max(snapshots.manifest(folder, epoch)["step"] for _, folder in self._parts)

    @property
    def metrics(self) -> metrics.Metrics:
        """Every step of every run by name: "loss", "accuracy" [S, T, C], "gradient_norm" [S, T], "test_loss"
        [S, E, C], "test_step" [E].
        """
        return metrics.Metrics(
            [folder for folder, _ in self._parts], [part["runs"] for part in self.record["parts"]]
        )

    def params(self, epoch: int, run: int | None = None) -> PyTree:
        """The parameters at a saved epoch, leaves [S, ...]; with `run` those of one run, and no others are
        read.

        ValueError for an epoch that is not saved, a run that does not exist, or a damaged file (which, and
        whose).
        """
        return snapshots.plain(self._leaves(epoch, "params", run))

    def state(self, epoch: int, run: int | None = None) -> RunState:
        """The full state at an epoch that still has it (the newest two, or all with save="all"), leaves [S,
        ...], or of one run.
        """
        leaves = {
            f"params.{name}": leaf for name, leaf in self._leaves(epoch, "params", run).items()
        } | self._leaves(epoch, "rest", run)
        target = shapes(Program(self.task, self.config, self.recipe))
        lifted = leaves if run is None else {name: leaf[None] for name, leaf in leaves.items()}
        state = snapshots.shaped(lifted, target, f"epoch {epoch} in {self.directory}")
        return state if run is None else jax.tree.map(lambda leaf: leaf[0], state)

    def full_epochs(self) -> list[int]:
        """The epochs whose full state is still there, ascending."""
        return [
            epoch
            for epoch in self.epochs
            if all(snapshots.is_full(folder, epoch) for _, folder in self._parts)
        ]

    def _leaves(self, epoch: int, item: str, run: int | None) -> dict[str, np.ndarray]:
        """One item's leaves by name, of all runs or of one."""
        self._require(epoch)
        if item == "rest" and epoch not in (full := self.full_epochs()):
            raise ValueError(
                f"{self.directory} keeps only the parameters of epoch {epoch}; full states are there of epochs {full}"
            )
        pieces = []
        for (_, folder), part in zip(self._parts, self.record["parts"], strict=True):
            rows = (
                slice(0, part["runs"]) if run is None else slice(run - part["first"], run - part["first"] + 1)
            )
            if run is None or part["first"] <= self._checked(run) < part["first"] + part["runs"]:
                pieces.append(snapshots.arrays(folder, epoch, (item,), rows))
        named = {
            name.removeprefix(f"{item}."): np.concatenate([piece[name] for piece in pieces])
            if len(pieces) > 1
            else leaf
            for name, leaf in pieces[0].items()
        }
        return named if run is None else {name: leaf[0] for name, leaf in named.items()}

    def _checked(self, run: int) -> int:
        if isinstance(run, bool) or not 0 <= run < self.num_runs:
            raise ValueError(
                f"run={run} must be one of 0 … {self.num_runs - 1}, the runs of {self.directory}"
            )
        return run

    def _require(self, epoch: int) -> None:
        if epoch not in (saved := self.epochs):
            raise ValueError(
                f"epoch={epoch} is not saved in {self.directory}; saved are {', '.join(map(str, saved)) or 'none yet'}"
            )

    def _is_kept(self, epoch: int) -> bool:
        """Whether an epoch outside the schedule stays (the last of a sweep that stopped early or was
        shorter), or is only for resuming.
        """
        try:
            return all(snapshots.manifest(folder, epoch)["keep"] for _, folder in self._parts)
        except ValueError:
            return True


def open_sweep(directory: str | pathlib.Path) -> Sweep:
    """The sweep in a directory; FileNotFoundError or ValueError in one sentence if there is none, or a
    damaged one.
    """
    return Sweep(directory)


def over(
    sweep: Sweep | str | pathlib.Path,
    function: Callable[[PyTree], PyTree],
    epochs: Iterable[int] | None = None,
) -> PyTree:
    """`function` of one run's parameters, of every run and every saved epoch (or the given ones): leaves [E,
    S, ...] on the host.
    """
    sweep = sweep if isinstance(sweep, Sweep) else open_sweep(sweep)
    chosen = sweep.epochs if epochs is None else list(epochs)
    if not chosen:
        raise ValueError(f"no epoch of {sweep.directory} is {'saved yet' if epochs is None else 'asked for'}")
    mapped = map_runs(function)
    results = [mapped(sweep.params(epoch)) for epoch in chosen]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *results)
