"""A function of one run, lifted over all runs and all saved epochs of a sweep."""

import pathlib
from collections.abc import Callable, Iterable, Sequence

import jax
import numpy as np
from jaxtyping import PyTree

from grokjax.checkpoints.sweep import Sweep, open_sweep
from grokjax.mapping import map_runs


def map_epochs(
    sweep: Sweep | str | pathlib.Path,
    function: Callable[..., PyTree],
    epochs: Iterable[int] | None = None,
    *,
    own: Sequence[PyTree] = (),
) -> PyTree:
    """Returns what a function of one Run gives for every run at every saved epoch, leaves [E, S, ...].

    sweep: an opened sweep, or its directory
    function: takes a Run and what is in `own`, returns an array or a tree of arrays
    epochs: numbers of saved epochs (-1: the last); None: all of them
    own: further arguments, stacked, an entry for each run: `[modular.grid.training_rows(sweep.runs())]`
    Raises ValueError where no epoch is saved or asked for, or one of them is not saved.
    """
    sweep = sweep if isinstance(sweep, Sweep) else open_sweep(sweep)
    chosen = sweep.epochs if epochs is None else list(epochs)
    if not chosen:
        raise ValueError(f"no epoch of {sweep.directory} is {'saved yet' if epochs is None else 'asked for'}")
    mapped = map_runs(function)
    results = [mapped(sweep.runs(epoch), *own) for epoch in chosen]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *results)
