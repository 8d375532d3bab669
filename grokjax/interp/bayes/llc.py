"""The local learning coefficient: how much the loss rises around w*, per unit of temperature.

λ̂ = nβ (E[L(w)] − L(w*)), w drawn from the posterior around w* (Lau et al. 2023, arXiv:2308.12108). It is
what it is at its own nβ and γ: a quadratic with curvatures h gives ½ Σ nβ h/(nβ h + γ), `hessian.gaussian`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random
from jaxtyping import Array, Float, Key, PyTree

from grokjax import objective
from grokjax.interp.bayes import langevin
from grokjax.interp.bayes.estimates import Estimate, summary
from grokjax.run import Run

Batches = Callable[[Key[Array, ""]], Any]


def inverse_temperature(num_examples: int) -> float:
    """Returns nβ = n/ln n, the default everywhere; n counts the examples of the data, not of a batch."""
    if num_examples < 3:
        raise ValueError(f"num_examples={num_examples} must be at least 3 for nβ = n/ln n; or give nbeta")
    return float(num_examples / np.log(num_examples))


def estimate(
    key: Key[Array, ""],
    loss: langevin.Loss,
    params: PyTree,
    *,
    epsilon: langevin.Scalar,
    gamma: langevin.Scalar,
    nbeta: langevin.Scalar | None = None,
    num_examples: int | None = None,
    data: Any = None,
    gradient_batch: Batches | None = None,
    loss_batch: Batches | None = None,
    num_chains: int = 4,
    num_draws: int = 500,
    num_burn_in: int = 200,
    draw_every: int = 1,
    sampler: Callable[..., langevin.Sampler] = langevin.sgld,
    mask: PyTree | None = None,
    has_aux: bool = False,
    chains_at_once: int | None = None,
    max_rise: float = np.inf,
) -> Estimate:
    """Returns the local learning coefficient of a loss at w* = params; chains differ by their key alone.

    loss: of (params) or, where `data` is given, (params, batch): a mean in nats; with has_aux (mean, record)
    nbeta: n/ln n where it is not given;  num_examples: that n;  data: everything, for the baseline L(w*)
    gradient_batch, loss_batch: functions of a key that give the batch of a step's gradient, and that of the
      losses of the draws; None takes the data for the gradient, and for the losses what the gradient saw
    num_draws, num_burn_in, draw_every: draws of a chain, steps before them, steps from one draw to the next
    sampler: langevin.sgld, rmsprop, mala, hmc, or a partial of one;  mask: what moves (`masks.of`)
    chains_at_once: chains side by side, None for one on a CPU and all elsewhere
    max_rise: nats above the baseline from which on a chain counts as diverged
    """
    if data is None and (gradient_batch or loss_batch):
        raise ValueError("a loss on batches needs data, the whole of it, for the loss at w*")
    nbeta = _temperature(num_examples) if nbeta is None else nbeta
    evaluate = functools.partial(_evaluated, loss, has_aux)
    pair = sampler(evaluate, epsilon=epsilon, nbeta=nbeta, gamma=gamma, mask=mask, has_aux=True)
    lengths = num_burn_in, num_draws, draw_every
    chain = functools.partial(_chain, pair, evaluate, params, data, gradient_batch, loss_batch, lengths)
    at_once = chains_at_once or (1 if jax.default_backend() == "cpu" else num_chains)
    traces = _side_by_side(chain, random.split(key, num_chains), at_once)
    said = dict(epsilon=epsilon, gamma=gamma, num_burn_in=num_burn_in, draw_every=draw_every)
    said["num_examples"] = jnp.nan if num_examples is None else num_examples
    return summary(traces, evaluate(params, data)[0], nbeta, max_rise, **said)


def _temperature(num_examples: int | None) -> float:
    if num_examples is None:
        raise ValueError("nbeta=None and num_examples=None: give nbeta, or the n of nβ = n/ln n")
    return inverse_temperature(num_examples)


def of(
    run: Run,
    batch: Any,
    *,
    key: Key[Array, ""],
    epsilon: langevin.Scalar,
    gamma: langevin.Scalar,
    batch_size: int | None = None,
    loss_batch_size: int | None = None,
    weight_decay: langevin.Scalar | None = None,
    per_example: bool = False,
    **options: Any,
) -> Estimate:
    """Returns the local learning coefficient of a run on a batch, all the data that is meant.

    The keys of runs differ by their seeds; every epoch of a run has the same.

    batch_size: examples of a step's gradient, drawn with replacement; None takes them all
    loss_batch_size: the same for the losses of the draws, all of them if it is the size of the batch; None
      takes the examples of the gradient
    weight_decay: adds weight_decay/2 |w|² to the loss, so that w* can be a minimum of what is sampled
    per_example: keeps the loss of every example at every draw, aux [Ch, T, B]
    options: any of `estimate`'s;  num_examples is the size of the batch unless given
    """
    size = len(batch.tokens)
    if per_example and None not in (batch_size, loss_batch_size) and loss_batch_size != size:
        raise ValueError(
            f"per_example=True follows the same examples: loss_batch_size must be {size}, all of them"
        )
    return estimate(
        random.fold_in(key, run.hyper.seed),
        loss_of(run, weight_decay=weight_decay, per_example=per_example),
        run.params,
        epsilon=epsilon,
        gamma=gamma,
        data=batch,
        gradient_batch=_drawn(batch, batch_size),
        loss_batch=None if loss_batch_size is None else _drawn(batch, loss_batch_size) or (lambda _: batch),
        has_aux=per_example,
        **{"num_examples": size, **options},
    )


def loss_of(
    run: Run, *, weight_decay: langevin.Scalar | None = None, per_example: bool = False
) -> Callable[[PyTree, Any], Any]:
    """Returns `loss(params, batch)` of a run's model in nats, the program that it trains with.

    weight_decay: adds weight_decay/2 |w|²;  per_example: gives (loss, the loss of every example [B]) instead
    """

    def loss(params: PyTree, batch: Any) -> Any:
        with jax.default_matmul_precision(run.recipe.precision):
            mean, scores = objective.mean_loss(run.config, run.task, run.recipe, params, run.hyper, batch)
        if weight_decay is not None:
            mean = mean + weight_decay / 2 * _squares(params)
        return (mean, scores.loss.mean(-1)) if per_example else mean

    return loss


def balancing_decay(run: Run, batch: Any) -> Float[Array, ""]:
    """Returns the coefficient c for which c/2 |w|² balances the loss along w: −⟨∇L, w⟩/|w|².

    Decoupled decay (AdamW) is no term of a loss; at the end of training with plain L2 it is the decay itself.
    """
    gradient = jax.grad(loss_of(run))(run.params, batch)
    along = sum(jnp.vdot(g, w) for g, w in zip(*map(jax.tree.leaves, (gradient, run.params)), strict=True))
    return -along / _squares(run.params)


def _squares(params: PyTree) -> Array:
    return sum((jnp.sum(x * x) for x in jax.tree.leaves(params)), jnp.zeros(()))


def _drawn(batch: Any, size: int | None) -> Batches | None:
    """A function of a key that draws so many examples with replacement; None for the whole batch."""
    total = len(batch.tokens)
    if size is None or size == total:
        return None
    if not 1 <= size <= total:
        raise ValueError(f"a batch of {size} examples must be of 1 to {total}, the size of the data")

    def drawn(key: Key[Array, ""]) -> Any:
        rows = random.randint(key, (size,), 0, total)
        return jax.tree.map(lambda x: jnp.asarray(x)[rows], batch)

    return drawn


def _evaluated(loss: langevin.Loss, has_aux: bool, params: PyTree, batch: Any = None) -> tuple[Array, Any]:
    found = loss(params) if batch is None else loss(params, batch)
    return found if has_aux else (found, None)


def _side_by_side(function: Callable[[Array], Any], keys: Array, at_once: int) -> Any:
    """The function of every key, so many at once."""
    if at_once >= len(keys):
        return jax.vmap(function)(keys)
    return lax.map(function, keys, batch_size=None if at_once == 1 else at_once)


def _chain(
    pair: langevin.Sampler,
    evaluate: Callable[..., tuple[Array, Any]],
    params: PyTree,
    data: Any,
    gradient_batch: Batches | None,
    loss_batch: Batches | None,
    lengths: tuple[int, int, int],
    key: Key[Array, ""],
) -> dict[str, Any]:
    """The losses of one chain before and at its draws, its acceptance, and what was recorded at the draws."""
    num_burn_in, num_draws, draw_every = lengths

    def step(state: langevin.State, key: Key[Array, ""]) -> tuple[langevin.State, langevin.Info]:
        if gradient_batch is None:
            return pair.step(key, state, data)
        key_batch, key = random.split(key)
        return pair.step(key, state, gradient_batch(key_batch))

    def silent(state: langevin.State, key: Key[Array, ""]) -> tuple[langevin.State, tuple[Array, Array]]:
        state, info = step(state, key)
        return state, (info.loss, info.acceptance)

    def draw(state: langevin.State, key: Key[Array, ""]) -> tuple[langevin.State, tuple[Array, Array, Any]]:
        key_loss, key_last, key = random.split(key, 3)
        if draw_every > 1:
            state, _ = lax.scan(silent, state, random.split(key, draw_every - 1))
        drawn = state.params
        state, info = step(state, key_last)
        loss, aux = (info.loss, info.aux) if loss_batch is None else evaluate(drawn, loss_batch(key_loss))
        return state, (loss, info.acceptance, aux)

    keys = random.split(key, num_burn_in + num_draws)
    state, (burn_in, before) = lax.scan(silent, pair.init(params, data), keys[:num_burn_in])
    _, (trace, acceptance, aux) = lax.scan(draw, state, keys[num_burn_in:])
    return dict(
        burn_in=burn_in, trace=trace, acceptance=jnp.concatenate([before, acceptance]).mean(), aux=aux
    )
