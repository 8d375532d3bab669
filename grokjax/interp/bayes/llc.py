"""The local learning coefficient: how much the loss rises around w*, per unit of temperature.

λ̂ = nβ (E[L(w)] − L(w*)), w drawn from the posterior around w* (Lau et al. 2023, arXiv:2308.12108). It is
what it is at its own nβ and γ: a quadratic with curvatures h gives ½ Σ nβ h/(nβ h + γ), `hessian.gaussian`.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, Key, PyTree

from grokjax import objective
from grokjax.interp.bayes import chains, langevin
from grokjax.interp.bayes.chains import Batches as Batches
from grokjax.interp.bayes.chains import Settings as Settings
from grokjax.interp.bayes.chains import inverse_temperature as inverse_temperature
from grokjax.interp.bayes.estimates import Estimate, summary
from grokjax.run import Run


def estimate(
    key: Key[Array, ""],
    loss: langevin.Loss,
    params: PyTree,
    settings: Settings | None = None,
    *,
    data: Any = None,
    gradient_batch: Batches | None = None,
    loss_batch: Batches | None = None,
    has_aux: bool = False,
    **fields: Any,
) -> Estimate:
    """Returns the local learning coefficient of a loss at w* = params; chains differ by their key alone.

    `estimate(key, loss, params, nbeta=351.0, gamma=10.0, epsilon=1e-4, num_chains=4)`

    loss: of (params) or, where `data` is given, (params, batch): a mean in nats; with has_aux (mean, record)
    settings: how chains are run;  fields: those of `Settings` by name, instead of them or to replace some
    data: everything, for the baseline L(w*)
    gradient_batch, loss_batch: functions of a key that give the batch of a step's gradient, and that of the
      losses of the draws; None takes the data for the gradient, and for the losses what the gradient saw
    """
    if data is None and (gradient_batch or loss_batch):
        raise ValueError("a loss on batches needs data, the whole of it, for the loss at w*")
    settings = chains.settled(settings, fields)
    evaluate = functools.partial(_evaluated, loss, has_aux)
    sampled = chains.Sampled(evaluate, data, gradient_batch, loss_batch)
    traces = chains.traces(key, sampled, params, settings)
    return summary(traces, evaluate(params, data)[0], settings)


def of(
    run: Run,
    batch: Any,
    settings: Settings | None = None,
    *,
    key: Key[Array, ""],
    batch_size: int | None = None,
    loss_batch_size: int | None = None,
    weight_decay: langevin.Scalar | None = None,
    per_example: bool = False,
    **fields: Any,
) -> Estimate:
    """Returns the local learning coefficient of a run on a batch, all the data that is meant.

    The keys of runs differ by their seeds; every epoch of a run has the same.

    batch_size: examples of a step's gradient, drawn with replacement; None takes them all
    loss_batch_size: the same for the losses of the draws, all of them if it is the size of the batch; None
      takes the examples of the gradient
    weight_decay: adds weight_decay/2 |w|² to the loss, so that w* can be a minimum of what is sampled
    per_example: keeps the loss of every example at every draw, aux [Ch, T, B]
    settings, fields: as in `estimate`;  num_examples is the size of the batch unless given
    """
    size, settings = len(batch.tokens), chains.settled(settings, fields)
    if per_example and None not in (batch_size, loss_batch_size) and loss_batch_size != size:
        raise ValueError(
            f"per_example=True follows the same examples: loss_batch_size must be {size}, all of them"
        )
    return estimate(
        random.fold_in(key, run.hyper.seed),
        loss_of(run, weight_decay=weight_decay, per_example=per_example),
        run.params,
        settings if settings.num_examples is not None else settings.replace(num_examples=size),
        data=batch,
        gradient_batch=_drawn(batch, batch_size),
        loss_batch=None if loss_batch_size is None else _drawn(batch, loss_batch_size) or (lambda _: batch),
        has_aux=per_example,
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
