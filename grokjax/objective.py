"""What a run is scored by: nats and correctness per example and answer, of (config, task, recipe, params,
hyper, batch).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.model import fast, transformer
from grokjax.tasks.protocol import Task as Task


class Scores(NamedTuple):
    """Per example and answer, in reading order: the loss in nats and whether the largest logit is the
    label's.
    """

    loss: Float[Array, "B C"]
    correct: Bool[Array, "B C"]


def against(logits: Float[Array, "... V"], labels: Int[Array, "..."]) -> Float[Array, "... V"]:
    """Log-odds of every other symbol against the label, -inf at the label itself."""
    own = jnp.take_along_axis(logits, labels[..., None], -1)
    return jnp.where(jnp.arange(logits.shape[-1]) == labels[..., None], -jnp.inf, logits - own)


def cross_entropy(logits: Float[Array, "... V"], labels: Int[Array, "..."]) -> Float[Array, "..."]:
    """Nats. The softplus of the log-odds against the label keeps its relative precision in float32 down to
    the smallest loss.
    """
    return jax.nn.softplus(jax.nn.logsumexp(against(logits, labels), -1))


def by_answer(task: Task, logits: Float[Array, "B R O"]) -> Float[Array, "B C V"]:
    """Logits of each answer: where one position emits several answers (parallel mode), its outputs are cut
    into equal parts.
    """
    return logits.reshape(*logits.shape[:-2], len(task.columns), -1)


def logits_of(
    config: ModelConfig,
    task: Task,
    params: PyTree,
    tokens: Int[Array, "B P"],
    *,
    attention_rate: Array | float = 1.0,
    offset: Array | int = 0,
) -> Float[Array, "B C V"]:
    """Logits of every answer, in reading order."""
    logits = transformer.forward(
        config, params, tokens, read=task.read, attention_rate=attention_rate, offset=offset
    )
    return by_answer(task, logits)


def stablemax(logits: Float[Array, "... V"], labels: Int[Array, "..."]) -> Float[Array, "..."]:
    """Nats, with s(x) = x + 1 from 0 on and 1 / (1 - x) below in the place of exp (Prieto et al. 2025,
    arXiv:2501.04697). The weight against the label's own keeps its relative precision in float32.
    """
    weight = jnp.where(logits >= 0, logits + 1, 1 / (1 - jnp.minimum(logits, 0)))
    own = jnp.arange(logits.shape[-1]) == labels[..., None]
    others = jnp.where(own, 0, weight).sum(-1)
    return jnp.log1p(others / jnp.where(own, weight, 0).sum(-1))


def loss_function(recipe: Recipe) -> Callable[[Array, Array], Array]:
    """`(logits, labels) -> nats` that the recipe trains with."""
    if callable(recipe.loss):
        return recipe.loss
    return stablemax if recipe.loss == "stablemax" else cross_entropy


def tempered(recipe: Recipe, hyper: Hyper, params: PyTree) -> PyTree:
    """The parameters whose logits are those of `params` over the temperature, where the recipe has one.

    The logits are linear in W_U and b_U, so every program of the loss takes it.
    """
    if not recipe.intervenes("temperature"):
        return params
    return params | {name: params[name] / hyper.temperature for name in ("W_U", "b_U") if name in params}


def scored(recipe: Recipe, logits: Float[Array, "B C V"], labels: Int[Array, "B C"]) -> Scores:
    """Scores of given logits."""
    return Scores(loss_function(recipe)(logits, labels), against(logits, labels).max(-1) < 0)


def scores(
    config: ModelConfig,
    task: Task,
    recipe: Recipe,
    params: PyTree,
    hyper: Hyper,
    batch: Any,
    *,
    offset: Array | int = 0,
) -> Scores:
    """Scores of a batch, by the program that computes only what feeds the loss."""
    params = tempered(recipe, hyper, params)
    logits = logits_of(config, task, params, batch.tokens, attention_rate=hyper.attention_rate, offset=offset)
    return scored(recipe, logits, batch.labels)


def mean_loss(
    config: ModelConfig,
    task: Task,
    recipe: Recipe,
    params: PyTree,
    hyper: Hyper,
    batch: Any,
    *,
    offset: Array | int = 0,
) -> tuple[Float[Array, ""], Scores]:
    """(mean nats over examples and answers, scores): what training differentiates, by the fused program
    wherever it is exact.
    """
    if fast.accepts(config, task) and recipe.loss == "cross_entropy":
        own = tempered(recipe, hyper, params)
        mean, loss, correct = fast.mean_loss(config, task, own, batch, hyper.attention_rate, offset)
        return mean, Scores(loss, correct)
    found = scores(config, task, recipe, params, hyper, batch, offset=offset)
    return found.loss.mean(), found
