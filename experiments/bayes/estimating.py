"""Learning coefficients of a sweep at several (γ, ε), or of parts of the model, for the experiments here."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Float

from experiments.bayes import data, measured
from experiments.frame.measured import Measured
from experiments.frame.study import Setting, Study
from grokjax.checkpoints import Sweep
from grokjax.interp import llc
from grokjax.interp.bayes import masks
from grokjax.interp.bayes.estimates import MIXED
from grokjax.run import Run

CHAINS: dict[str, Setting] = {"chains": 4, "draws": 50, "burn_in": 200, "batch_size": 256}
"""The settings of an experiment's DEFAULTS that `estimates` reads."""
FEW: dict[str, Setting] = {"chains": 2, "draws": 4, "burn_in": 2, "batch_size": 8}
"""The same of its SMALL."""
CELL = ("gamma", "epsilon", "nbeta")
"""What the numbers of a cell are."""
KEPT = ("mean", "standard_error", "masked", "baseline", "r_hat", "effective_sample_size")
REACH = 0.1
"""εγ where γ decides on the step: the prior alone then relaxes in 2/(εγ) = 20 steps, and its variance is too
large by 1/(1 − εγ/4), 2.6%.
"""
LARGEST_STEP = 1e-4
"""ε where γ is small and the curvature decides: at 1e-3 every chain of modulus 31 diverged, at 3e-4 estimates
at γ = 100 were up to five times those at 1e-4.
"""


def epsilon(gamma: float, colder: float = 1.0) -> float:
    """The step size at a localisation: REACH/γ, at most LARGEST_STEP; colder: how many times n/ln n nβ is."""
    return min(REACH / gamma, LARGEST_STEP / colder)


def settings(this: Study, gamma: float) -> llc.Settings:
    """The chains that an experiment asks for."""
    return llc.Settings(
        epsilon=epsilon(gamma),
        gamma=float(gamma),
        num_chains=this["chains"],
        num_draws=this["draws"],
        num_burn_in=this["burn_in"],
    )


def estimates(
    this: Study,
    sweep: Sweep,
    name: str,
    *,
    epochs: Sequence[int],
    cells: Sequence[tuple[float, ...]],
    parts: Sequence[str] | None = None,
    runs_at: Callable[[int], Run] | None = None,
) -> dict[str, np.ndarray]:
    """Returns KEPT of every epoch, run and cell, [E, S, cells], of the loss on each run's training set.

    They lie in the sweep's directory under bayes/name, block by block, and are made as far as they lack.

    cells: (γ, ε), or (γ, ε, nβ)
    parts: instead, at the first pair alone, the coefficient restricted to each part of `masks.components`,
      [E, S, parts]
    runs_at: gives the runs of an epoch where they are not the sweep's at it
    """
    batch, rows = data.of_runs(sweep, "train", this["examples"] if "examples" in this.settings else 1)
    chains = settings(this, cells[0][0])
    size = min(this["batch_size"], rows.shape[1])
    function = functools.partial(
        of_run, batch=batch, chains=chains, cells=cells, parts=parts, batch_size=size
    )
    asked = {key: value for key, value in this.settings.items() if key in CHAINS or key == "examples"}
    return measured.over_training(
        sweep,
        function,
        rows,
        epochs=epochs,
        folder=sweep.directory / "bayes" / name,
        settings={**asked, "cells": [list(map(float, cell)) for cell in cells], "parts": parts},
        block=2 * len(jax.local_devices()),
        runs_at=runs_at,
        console=this.console,
    )


def of_run(
    run: Run,
    rows: Any,
    *,
    batch: Any,
    chains: llc.Settings,
    cells: Sequence[tuple[float, ...]],
    parts: Sequence[str] | None,
    batch_size: int,
) -> dict[str, Any]:
    """KEPT of one run at every cell, or of every part."""
    own = jax.tree.map(lambda x: x[rows], batch)
    make = functools.partial(llc.of, run, own, key=random.key(0), batch_size=batch_size)
    if parts is None:
        names = CELL[: len(cells[0])]
        at = lambda cell: make(chains.replace(**dict(zip(names, cell, strict=True))))
        found = jax.lax.map(at, jnp.asarray(cells, jnp.float32))
    else:
        each = masks.components(run.params)
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[each[part] for part in parts])
        chains = chains.replace(gamma=cells[0][0], epsilon=cells[0][1])
        found = jax.lax.map(lambda mask: make(chains.replace(mask=mask)), stacked)
    return {name: value for name, value in found._asdict().items() if name in KEPT}


def trusted(found: dict[str, np.ndarray]) -> np.ndarray:
    """Which estimates have no diverged chain and a split R-hat of at most 1.1."""
    with np.errstate(invalid="ignore"):
        return (found["masked"] == 0) & (found["r_hat"] <= MIXED)


def mixing(found: dict[str, np.ndarray], part: Any = ..., of: str = "estimates") -> dict[str, Measured]:
    """How well the chains mix, as rows: the median split R-hat, and how many estimates are trusted.

    Estimates of one run are not independent, so that neither has an interval.
    """
    r_hat, ok = found["r_hat"][part], trusted(found)[part]
    known = r_hat[np.isfinite(r_hat)]
    middle = float(np.median(known)) if known.size else None
    return dict(
        r_hat=Measured(f"median split R-hat, {of}", middle, n=int(known.size), of="estimates"),
        trusted=Measured(
            f"R-hat at most {MIXED} and no chain diverged, {of}",
            float(ok.mean()),
            unit="share",
            n=ok.size,
            of="estimates",
            count=int(ok.sum()),
        ),
    )


def loss_of_draws(found: dict[str, np.ndarray], nbeta: float) -> Float[np.ndarray, "..."]:
    """The mean loss of the draws, in nats: far above the baseline, the chains have left the solution."""
    return found["baseline"] + found["mean"] / nbeta
