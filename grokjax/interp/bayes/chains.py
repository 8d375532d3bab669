"""How chains are run, and their losses: what every estimate of a learning coefficient is made of."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax import lax, random
from jaxtyping import Array, Key, PyTree

from grokjax.config import at_least
from grokjax.interp.bayes import langevin

Batches = Callable[[Key[Array, ""]], Any]


class Settings(struct.PyTreeNode, kw_only=True):
    """How chains are run. epsilon, gamma, nbeta, max_rise and mask are traced, the others are static.

    epsilon: step size;  gamma: localisation;  nbeta: n/ln n of num_examples where it is None
    num_examples: the n from which nbeta follows
    num_chains: chains, which differ by their key alone
    num_draws, num_burn_in, draw_every: draws of a chain, steps before them, steps from one draw to the next
    sampler: langevin.sgld, rmsprop, mala, hmc, or a partial of one
    mask: what moves (`masks.of`); None moves all
    max_rise: nats above the baseline from which on a chain counts as diverged
    chains_at_once: chains side by side; None takes one on a CPU, all elsewhere
    """

    epsilon: langevin.Scalar
    gamma: langevin.Scalar
    nbeta: langevin.Scalar | None = None
    max_rise: langevin.Scalar = np.inf
    mask: PyTree | None = None
    num_examples: int | None = struct.field(pytree_node=False, default=None)
    num_chains: int = struct.field(pytree_node=False, default=4)
    num_draws: int = struct.field(pytree_node=False, default=500)
    num_burn_in: int = struct.field(pytree_node=False, default=200)
    draw_every: int = struct.field(pytree_node=False, default=1)
    sampler: Callable[..., langevin.Sampler] = struct.field(pytree_node=False, default=langevin.sgld)
    chains_at_once: int | None = struct.field(pytree_node=False, default=None)

    def __post_init__(self) -> None:
        for name, least in (("num_chains", 1), ("num_draws", 1), ("num_burn_in", 0), ("draw_every", 1)):
            at_least(name, getattr(self, name), least)
        if self.chains_at_once is not None:
            at_least("chains_at_once", self.chains_at_once, 1)

    @property
    def at_once(self) -> int:
        """How many chains run side by side."""
        return self.chains_at_once or (1 if jax.default_backend() == "cpu" else self.num_chains)

    @property
    def temperature(self) -> langevin.Scalar:
        """The nβ that is used. Raises ValueError where neither nbeta nor num_examples is given."""
        if self.nbeta is not None:
            return self.nbeta
        if self.num_examples is None:
            raise ValueError("nbeta=None and num_examples=None: give nbeta, or the n of nβ = n/ln n")
        return inverse_temperature(self.num_examples)


def inverse_temperature(num_examples: int) -> float:
    """Returns nβ = n/ln n, the default everywhere; n counts the examples of the data, not of a batch."""
    if num_examples < 3:
        raise ValueError(f"num_examples={num_examples} must be at least 3 for nβ = n/ln n; or give nbeta")
    return float(num_examples / np.log(num_examples))


def settled(settings: Settings | None, fields: Mapping[str, Any]) -> Settings:
    """Returns the settings with some fields replaced, or those that the fields alone make.

    Raises TypeError for a name that is no field, and where epsilon or gamma is missing.
    """
    names = [field.name for field in dataclasses.fields(Settings)]
    if unknown := sorted(set(fields) - set(names)):
        raise TypeError(f"{unknown[0]}={fields[unknown[0]]!r} is no setting; they are {', '.join(names)}")
    if settings is not None:
        return settings.replace(**fields)
    if missing := [name for name in ("epsilon", "gamma") if name not in fields]:
        raise TypeError(f"{' and '.join(missing)} must be given: they have no default that fits every model")
    return Settings(**fields)


class Sampled(NamedTuple):
    """What chains sample.

    evaluate: of (params, batch), the mean loss in nats and what is recorded beside it
    data: everything, for the loss at w*, or None for a loss without data
    gradient_batch, loss_batch: functions of a key that give the batch of a step's gradient, and that of the
      losses of the draws; None takes the data for the gradient, and for the losses what the gradient saw
    """

    evaluate: Callable[..., tuple[Array, Any]]
    data: Any = None
    gradient_batch: Batches | None = None
    loss_batch: Batches | None = None


def traces(key: Key[Array, ""], sampled: Sampled, params: PyTree, settings: Settings) -> dict[str, Any]:
    """Returns the losses of all chains [Ch, ...], in nats: "burn_in" at every step before the draws, "trace"
    at the draws, with "acceptance" and what was recorded, "aux".
    """
    sampler = settings.sampler(
        sampled.evaluate,
        epsilon=settings.epsilon,
        nbeta=settings.temperature,
        gamma=settings.gamma,
        mask=settings.mask,
        has_aux=True,
    )
    chain = functools.partial(_chain, sampler, sampled, params, settings)
    keys, at_once = random.split(key, settings.num_chains), settings.at_once
    if at_once >= len(keys):
        return jax.vmap(chain)(keys)
    return lax.map(chain, keys, batch_size=None if at_once == 1 else at_once)


def _chain(
    sampler: langevin.Sampler, sampled: Sampled, params: PyTree, settings: Settings, key: Key[Array, ""]
) -> dict[str, Any]:
    """What `traces` gives, of one chain."""

    def step(state: langevin.State, key: Key[Array, ""]) -> tuple[langevin.State, langevin.Info]:
        if sampled.gradient_batch is None:
            return sampler.step(key, state, sampled.data)
        key_batch, key = random.split(key)
        return sampler.step(key, state, sampled.gradient_batch(key_batch))

    def silent(state: langevin.State, key: Key[Array, ""]) -> tuple[langevin.State, tuple[Array, Array]]:
        state, info = step(state, key)
        return state, (info.loss, info.acceptance)

    def draw(state: langevin.State, key: Key[Array, ""]) -> tuple[langevin.State, tuple[Array, Array, Any]]:
        key_loss, key_last, key = random.split(key, 3)
        if settings.draw_every > 1:
            state, _ = lax.scan(silent, state, random.split(key, settings.draw_every - 1))
        drawn = state.params
        state, info = step(state, key_last)
        if sampled.loss_batch is None:
            return state, (info.loss, info.acceptance, info.aux)
        loss, aux = sampled.evaluate(drawn, sampled.loss_batch(key_loss))
        return state, (loss, info.acceptance, aux)

    keys = random.split(key, settings.num_burn_in + settings.num_draws)
    first = sampler.init(params, sampled.data)
    state, (burn_in, before) = lax.scan(silent, first, keys[: settings.num_burn_in])
    _, (trace, acceptance, aux) = lax.scan(draw, state, keys[settings.num_burn_in :])
    return dict(
        burn_in=burn_in, trace=trace, acceptance=jnp.concatenate([before, acceptance]).mean(), aux=aux
    )
