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


def loss_function(recipe: Recipe) -> Callable[[Array, Array], Array]:
    """`(logits, labels) -> nats` that the recipe trains with."""
    return recipe.loss if callable(recipe.loss) else cross_entropy


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
    if fast.accepts(config, task) and not callable(recipe.loss):
        mean, loss, correct = fast.mean_loss(config, task, params, batch, hyper.attention_rate, offset)
        return mean, Scores(loss, correct)
    found = scores(config, task, recipe, params, hyper, batch, offset=offset)
    return found.loss.mean(), found
