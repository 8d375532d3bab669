"""A function of one run, lifted over all runs and all saved epochs of a sweep."""

import pathlib
from collections.abc import Callable, Iterable, Sequence

import jax
from jaxtyping import PyTree

from grokjax import mapping
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
    Where a sweep has fewer runs than there are devices, or a few more, several epochs are read at once.
    Raises ValueError where no epoch is saved or asked for, or one of them is not saved.
    """
    sweep = sweep if isinstance(sweep, Sweep) else open_sweep(sweep)
    chosen = sweep.epochs if epochs is None else list(epochs)
    if not chosen:
        raise ValueError(f"no epoch of {sweep.directory} is {'saved yet' if epochs is None else 'asked for'}")
    mapped, at_once = map_runs(function), mapping.stacks_at_once(sweep.num_runs)
    results = []
    for first in range(0, len(chosen), at_once):
        stacks = [(sweep.runs(epoch), *own) for epoch in chosen[first : first + at_once]]
        found = mapped(*mapping.stacked(stacks))
        results.append(jax.tree.map(lambda x: x.reshape(-1, sweep.num_runs, *x.shape[1:]), found))
    return mapping.stacked(results)
