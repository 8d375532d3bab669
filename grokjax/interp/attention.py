"""Attention patterns of a run on a fixed batch: what each answer looks at, patterns by class, entropy, how
far two patterns are apart.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax import model, tap
from grokjax.config import ModelConfig
from grokjax.tasks import layout


def patterns(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    *,
    attention_rate: Array | float = 1.0,
) -> Float[Array, "L H q p"]:
    """The mean over examples of every head's pattern."""
    return _cached(config, "pattern", lambda x: x.mean(0), params, tokens, attention_rate=attention_rate)


def scores(config: ModelConfig, params: PyTree, tokens: Int[Array, "B P"]) -> Float[Array, "L H q p"]:
    """The mean over examples of every head's q·k / sqrt(K) before the softmax, -inf where nothing may be
    read; live attention only.
    """
    if config.attention != "live":
        raise ValueError(f"attention={config.attention!r} has no scores; only 'live' attention does")
    return _cached(config, "attn_scores", lambda x: x.mean(0), params, tokens)


def patterns_by_class(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    classes: Int[Array, " B"],
    num_classes: int,
    *,
    attention_rate: Array | float = 1.0,
) -> Float[Array, "L H c q p"]:
    """The mean of every head's pattern over the examples of each class, 0 ... num_classes - 1; 0 for a class
    without examples.

    For the carry classes: `tasks.cascade(a, b, base)` of the operands, or the carry into a column,
      `naive.carries(problems, base, n)`.
    """
    member = jax.nn.one_hot(classes, num_classes)
    share = member / jnp.maximum(member.sum(0), 1)
    mean = lambda pattern: jnp.einsum("bhqp,bc->hcqp", pattern, share, precision="float32")
    return _cached(config, "pattern", mean, params, tokens, attention_rate=attention_rate)


PLACES = ("own pair", "pair below", "pair above", "=", "visible answers", "other")
"""What an answer of an addition task can look at; below: less significant."""


def columns(task: Any) -> Int[np.ndarray, " P"]:
    """The column, 0 = units, of the operand's digit at each position; -1 where none is. ValueError where
    operands differ in length.
    """
    if task.lengths is not None:
        raise ValueError(
            f"lengths={task.lengths}: operands do not stand at the same positions in all examples"
        )
    n, width = task.num_digits, 1 + task.hints
    found = np.full(task.num_positions, -1)
    for first in (0, width * n + 1):
        found[first + task.hints : first + width * n : width] = np.arange(n)[::-1]
    return found


def places(task: Any) -> Int[np.ndarray, "C P"]:
    """For each answer, in reading order, which of `PLACES` each position is.

    A carry that is written (scratchpad) has the pair that makes it as its pair below. A hint counts as other.
    """
    column, width, position = columns(task), 1 + task.hints, np.arange(task.num_positions)
    answered = (position >= task.num_prompt) & ((position - task.num_prompt) % width == width - 1)
    found = np.full((len(task.columns), task.num_positions), PLACES.index("other"))
    for row, digit in enumerate(asked(task)):
        for place, at in (("own pair", digit), ("pair below", digit - 1), ("pair above", digit + 1)):
            found[row, (column == at) & (column >= 0)] = PLACES.index(place)
        found[row, task.num_prompt - 1] = PLACES.index("=")
        found[row, answered] = PLACES.index("visible answers")
    return found


def asked(task: Any) -> Int[np.ndarray, " C"]:
    """The column of each answer, in reading order: of the digit, or of the digit that a written carry goes
    into.
    """
    return np.array(
        [task.digit if task.mode == "single" else layout.column_of_sum(task, one) for one in task.columns]
    )


def looks(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    tokens: Int[Array, "B P"],
    *,
    attention_rate: Array | float = 1.0,
) -> Float[Array, "L H C place"]:
    """Where each answer looks: the mean attention that each head, at the position where the answer is read,
    pays to each of `PLACES`.
    """
    pattern = patterns(config, params, tokens, attention_rate=attention_rate)
    query = np.repeat(task.read, len(task.columns) // len(task.read))
    member = jax.nn.one_hot(places(task), len(PLACES))
    return jnp.einsum("lhcp,cpk->lhck", pattern[:, :, query], member, precision="float32")


def entropy(pattern: Float[Array, "*L q p"]) -> Float[Array, "*L q"]:
    """−Σ p ln p over the keys of each query (nats): 0 on one key, ln of their number if evenly on all."""
    return jax.scipy.special.entr(pattern).sum(-1)


def distance(before: Float[Array, "*L q p"], after: Float[Array, "*L q p"]) -> Float[Array, "*L q"]:
    """Half the sum of absolute differences over keys (total variation): how much attention each query has
    moved, 0 to 1.
    """
    return jnp.abs(after - before).sum(-1) / 2


def at_distance(pattern: Float[Array, "*L q p"], distance: int, first: int) -> Float[Array, "*L"]:
    """Mean attention that the queries from `first` on pay to the key so many places before them.

    Distance 1 is the previous-token score. On random tokens that repeat with period T, distance T − 1 is the
    induction score: the token after the last occurrence of this one (Olsson et al. 2022, arXiv:2209.11895).
    """
    queries = jnp.arange(max(first, distance), pattern.shape[-2])
    return pattern[..., queries, queries - distance].mean(-1)


def previous_token(pattern: Float[Array, "*L q p"]) -> Float[Array, "*L"]:
    """Mean attention to the token before."""
    return at_distance(pattern, 1, 1)


def induction(pattern: Float[Array, "*L q p"], period: int) -> Float[Array, "*L"]:
    """Mean attention, on tokens that repeat once after `period`, from the second time on to the token after
    the same one's first time.
    """
    return at_distance(pattern, period - 1, period)


def _cached(
    config: ModelConfig, name: str, reduce: Callable[[Array], Array], *inputs: Any, **options: Any
) -> Array:
    with jax.default_matmul_precision("float32"):
        _, cache = tap.run_with_cache(functools.partial(model.forward, config))(*inputs, **options)
    return jnp.stack([reduce(cache[f"blocks.{layer}.attn.{name}"]) for layer in range(config.num_layers)])
