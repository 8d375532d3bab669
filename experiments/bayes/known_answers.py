"""Losses whose learning coefficient is known at the nβ and γ used, and what chains give for them."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random

from experiments.frame.measured import Measured, exact
from grokjax.interp import langevin, llc

NBETA = 351.0
"""n/ln n of 80% of a table mod 59."""
CHAINS = 64
HMC = functools.partial(langevin.hmc, num_leapfrog=8)


class Known(NamedTuple):
    """A loss of two weights with its least at 0, γ, and how chains are run on it."""

    name: str
    loss: Any
    gamma: float
    options: dict[str, Any]


class Found(NamedTuple):
    """A known coefficient, and its estimate with its standard error and split R-hat."""

    name: str
    exact: float
    mean: float
    error: float
    r_hat: float

    @property
    def right(self) -> bool:
        """Whether the estimate lies within three standard errors, and these are below 5% of the value."""
        return abs(self.mean - self.exact) < 3 * self.error and self.error < 0.05 * self.exact


CASES = (
    Known(
        "a quadratic, γ 10",
        lambda w: (0.3 * w[0] ** 2 + 0.05 * w[1] ** 2) / 2,
        10.0,
        dict(epsilon=4e-4, num_draws=1000, num_burn_in=400),
    ),
    Known(
        "x²y², γ 100",
        lambda w: w[0] ** 2 * w[1] ** 2,
        100.0,
        dict(epsilon=4e-4, num_draws=1500, num_burn_in=200),
    ),
    Known(
        "x²y², γ 1, by HMC",
        lambda w: w[0] ** 2 * w[1] ** 2,
        1.0,
        dict(epsilon=1.5e-3, num_draws=250, num_burn_in=400, sampler=HMC),
    ),
    Known(
        "x²y⁴, γ 10, by HMC",
        lambda w: w[0] ** 2 * w[1] ** 4,
        10.0,
        dict(epsilon=4e-3, num_draws=250, num_burn_in=50, sampler=HMC),
    ),
)


def found() -> list[Found]:
    """Returns the estimate of every case beside its exact value."""
    return [of(case) for case in CASES]


def of(case: Known) -> Found:
    """Returns the estimate of a case beside its exact value."""
    estimate = jax.jit(
        lambda key: llc.estimate(
            key,
            case.loss,
            jnp.zeros(2),
            nbeta=NBETA,
            gamma=case.gamma,
            num_chains=CHAINS,
            chains_at_once=CHAINS,
            **case.options,
        )
    )(random.key(0))
    exact = by_quadrature(case.loss, nbeta=NBETA, gamma=case.gamma)
    return Found(
        case.name, exact, *(float(x) for x in (estimate.mean, estimate.standard_error, estimate.r_hat))
    )


def by_quadrature(loss: Any, *, nbeta: float, gamma: float, points: int = 1001) -> float:
    """Returns nβ E[L] under exp(−nβ L − γ/2 |w|²), over a grid that is dense near 0 and reaches 7/√γ."""
    t = np.linspace(-1, 1, points)
    axis, spacing = 7 / np.sqrt(gamma) * np.sinh(3 * t) / np.sinh(3), np.cosh(3 * t)
    x, y = axis[:, None], axis[None]
    value = loss((x, y))
    weight = np.exp(-nbeta * value - gamma / 2 * (x**2 + y**2)) * spacing[:, None] * spacing
    return float(nbeta * (value * weight).sum() / weight.sum())


def rows(known: list[Found]) -> dict[str, Measured]:
    """Returns every case's exact value, and its estimate with two standard errors to either side."""
    made = {}
    for i, one in enumerate(known):
        made[f"exact_{i}"] = exact(f"{one.name}: by quadrature", one.exact, "")
        low, high = one.mean - 2 * one.error, one.mean + 2 * one.error
        made[f"chains_{i}"] = Measured(f"{one.name}: by chains", one.mean, low, high, "", CHAINS, "chains")
    return made
