"""Loss and gradient with the least arithmetic, for every config where that is exact: any without layer norm.

The last residual stream is read only through W_U, so with mid = X @ tables, the stream before the last MLP at
the read positions,
    logits = act(X @ T + b_in) @ (W_out @ W_U) + X @ U + (b_out @ W_U + b_U),     T = tables @ W_in,   U =
    tables @ W_U,
and neither the last stream nor, in a model of one layer, the stream before it is formed (`lookup`). The loss,
its derivative and the products of both are written by hand, over chunks of rows that stay in a core's cache,
each product oriented as a CPU likes it.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import transformer
from grokjax.model.fast import blocks, lookup, states
from grokjax.model.fast.activations import ACTIVATION
from grokjax.model.fast.arithmetic import contract, matmul, take
from grokjax.model.fast.lookup import Stream
from grokjax.tap import untouched

CHUNK = 3 * 2**16
"""Floats of activations in one chunk of rows: they fit a core's second-level cache."""

Weights = dict[str, Array]


def accepts(config: ModelConfig, task: Any) -> bool:
    """Whether `mean_loss` is exact for this config and task; what it refuses runs the plain program."""
    return not config.layer_norm and symbols(config, task) > 1


def symbols(config: ModelConfig, task: Any) -> int:
    """Logits of one answer: where a position emits several answers (parallel mode), its outputs are cut into
    equal parts.
    """
    return config.num_outputs * len(task.read) // len(task.columns)


def mean_loss(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    batch: Any,
    attention_rate: Array | float = 1.0,
    offset: Array | int = 0,
) -> tuple[Float[Array, ""], Float[Array, "B C"], Bool[Array, "B C"]]:
    """(mean nats, nats per example and answer, whether the largest logit is the label's).

    The mean is differentiable by `params`, and by nothing else; its gradient is made in the forward pass.
    `offset` is abacus's.
    """
    stream = read_stream(config, task, params, batch.tokens, attention_rate, offset)
    labels = batch.labels.reshape(len(stream.gathered), -1)
    mean, loss, correct = scored(
        config, stream, labels, symbols(config, task), weights_of(config, params, stream)
    )
    return mean, loss.reshape(batch.labels.shape), correct.reshape(batch.labels.shape)


def read_stream(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    tokens: Int[Array, "B P"],
    rate: Array | float,
    offset: Array | int,
) -> Stream:
    """The residual stream before the last MLP at the read positions, in the form that costs least. The choice
    follows from sizes alone.
    """
    tokens_at = states.possible_tokens(config, task, tokens.shape[1])
    if config.num_layers == 1:
        p, t = params["blocks"][0], states.tables_of(config, params, tuple(task.read), tokens_at)
        if columns_by_value(config, t) < 1.2 * columns_by_symbol(
            config, t, tokens
        ):  # a weight takes longer to gather than a value
            return lookup.by_value(config, p, t, tokens, rate)
        if looks_up_symbols(config, t, tokens):
            return lookup.by_symbol(config, p, t, tokens, rate)
    return formed(last_mid(config, params, tokens, np.asarray(task.read), tokens_at, rate, offset))


def looks_up_symbols(config: ModelConfig, t: states.Tables, tokens: Array) -> bool:
    """Whether `lookup.by_symbol` costs less than the stream formed."""
    return columns_by_symbol(config, t, tokens) <= 2 * config.d_model


def columns_by_symbol(config: ModelConfig, t: states.Tables, tokens: Array) -> float:
    """The columns that `lookup.by_symbol` gathers; infinite where its table of scores is too large, or places
    are not fixed.
    """
    scores = len(t.states(t.rows)[0]) * len(t.states(t.everywhere)[0])
    possible = config.positions != "abacus" and scores <= 8 * tokens.size * len(t.rows)
    by_place = len(t.tokens_at) - 1 if t.embedded and config.attention == "live" else 0
    return config.num_heads * (len(t.ids(t.everywhere)) - 1 + by_place) if possible else np.inf


def columns_by_value(config: ModelConfig, t: states.Tables) -> float:
    """The columns that `lookup.by_value` gathers; infinite where more than one state reads."""
    possible = config.positions != "abacus" and len(t.states(t.rows)[0]) == 1 and config.attention == "live"
    return config.num_heads * config.head_width if possible else np.inf


def last_mid(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    read: np.ndarray,
    tokens_at: tuple[range, ...],
    rate: Array | float,
    offset: Array | int,
) -> Float[Array, "B R D"]:
    """The same, formed: the blocks before the last one at every position, the attention of the last where it
    is read.
    """
    if config.num_layers == 1:
        x = transformer.embed(config, params, tokens, offset, untouched)
    else:
        x = first_block(config, params, tokens, tokens_at, rate, offset)
    for p in params["blocks"][1:-1]:
        mid = blocks.attended(config, p, x, np.arange(x.shape[1]), rate)
        x = after_mlp(config, p, formed(mid)).reshape(x.shape)
    return blocks.attended(config, params["blocks"][-1], x, read, rate)


def first_block(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    tokens_at: tuple[range, ...],
    rate: Array | float,
    offset: Array | int,
) -> Float[Array, "B P D"]:
    """The stream after the first of several blocks. At the first positions of a causal model it depends on
    few tokens: where a batch holds every beginning several times, each is computed once. Look-ups of the
    positions before the middle have fewer columns."""

    def stream(tokens: Array, rows: range) -> Float[Array, "B R D"]:
        own = first_stream(config, params, tokens, tuple(rows), tokens_at[: tokens.shape[1]], rate, offset)
        return after_mlp(config, params["blocks"][0], own).reshape(len(tokens), len(rows), config.d_model)

    (B, P), (beginnings, index) = tokens.shape, states.beginnings(config, tokens, tokens_at)
    num, length = beginnings.shape
    after = states.tables_of(config, params, tuple(range(length, P)), tokens_at)
    most = 2 if looks_up_symbols(config, after, tokens) else 1
    spans = [stream(tokens[:, : rows.stop], rows) for rows in states.spans(config, length, P, most)]
    if length:
        before = stream(beginnings, range(length)).reshape(num, -1)
        spans = [take(before, index).reshape(B, length, config.d_model), *spans]
    return jnp.concatenate(spans, 1)


def first_stream(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    rows: tuple[int, ...],
    tokens_at: tuple[range, ...],
    rate: Array | float,
    offset: Array | int,
) -> Stream:
    """The stream before the MLP of the first of several blocks, at the given positions; formed where it has
    more columns than D.
    """
    t, p = states.tables_of(config, params, rows, tokens_at), params["blocks"][0]
    if not looks_up_symbols(config, t, tokens):
        return formed(
            blocks.attended(
                config, p, transformer.embed(config, params, tokens, offset, untouched), np.array(rows), rate
            )
        )
    stream = lookup.by_symbol(config, p, t, tokens, rate)
    return (
        stream
        if len(stream.fixed.T) + len(stream.gathered.T) <= config.d_model
        else formed(before_mlp(stream))
    )


def formed(mid: Float[Array, "... D"]) -> Stream:
    """A stream [N, D] that needs no tables."""
    gathered = mid.reshape(-1, mid.shape[-1])
    return Stream(jnp.ones((len(gathered), 1)), gathered, None, 1)


def before_mlp(stream: Stream) -> Float[Array, "N D"]:
    """The stream itself."""
    return (
        stream.gathered
        if stream.tables is None
        else matmul(jnp.concatenate([stream.fixed, stream.gathered], 1), stream.tables)
    )


def after_mlp(config: ModelConfig, p: PyTree, stream: Stream) -> Float[Array, "N D"]:
    """The stream after an MLP that is not the last, in chunks of rows."""
    if not config.mlp:
        return before_mlp(stream)
    tables = p["b_out"][None] if stream.tables is None else with_bias(stream, stream.tables, p["b_out"])
    weights = dict(tables=tables, T=through(stream, p["W_in"], p["b_in"]), W_out=p["W_out"])
    cut, joined = cutting(len(stream.gathered), len(weights["T"]) + config.d_model + config.mlp_width)
    return joined(blocks.with_mlp(config, weights, cut(stream.fixed), cut(stream.gathered)))


def through(stream: Stream, W: Float[Array, "D O"], bias: Array | float) -> Float[Array, "f+c O"]:
    """What X is multiplied by to give the stream times W, plus a bias."""
    if stream.tables is None:
        return jnp.concatenate([jnp.broadcast_to(bias, (stream.carrier, W.shape[1])), W])
    return with_bias(stream, matmul(stream.tables, W), bias)


def with_bias(stream: Stream, rows: Float[Array, "f+c O"], bias: Array | float) -> Float[Array, "f+c O"]:
    """What X is multiplied by, so that a bias is added to every row of the product."""
    carrying = jnp.broadcast_to(bias, (stream.carrier, rows.shape[1]))
    return rows + jnp.pad(carrying, ((0, len(rows) - stream.carrier), (0, 0)))


def weights_of(config: ModelConfig, params: PyTree, stream: Stream) -> Weights:
    """What X is multiplied by: U [f+c, O] and, with an MLP, T [f+c, M] and W [O, M] = (W_out @ W_U)ᵀ, with
    the biases in T and U.
    """
    p, W_U, b_U = params["blocks"][-1], params["W_U"], params.get("b_U", 0.0)
    if not config.mlp:
        return dict(U=through(stream, W_U, b_U))
    return dict(
        U=through(stream, W_U, p["b_out"] @ W_U + b_U),
        T=through(stream, p["W_in"], p["b_in"]),
        W=contract(W_U, p["W_out"], 0, 1),
    )


def cutting(rows: int, floats: int) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Two functions, [rows, c] -> [chunks, n, c] and back, for chunks of so many floats a row that fit the
    cache.

    All are equal where a number of chunks near that divides the rows; else the last is filled up with zeros.
    """
    least = -(-rows * floats // CHUNK)
    chunks = next((k for k in range(least, 2 * least) if rows % k == 0), least)
    size = -(-rows // chunks)
    cut = lambda x: jnp.pad(x, ((0, chunks * size - rows), (0, 0))).reshape(chunks, size, -1)
    return cut, lambda x: x.reshape(chunks * size, -1)[:rows]


def scored(
    config: ModelConfig, stream: Stream, labels: Int[Array, "N A"], symbols: int, weights: Weights
) -> tuple[Float[Array, ""], Float[Array, "N A"], Bool[Array, "N A"]]:
    """(mean loss, losses, correctness) of the logits; A answers of `symbols` logits each in a row."""
    N, (C, O) = len(labels), weights["U"].shape
    cut, joined = cutting(N, C + O + config.mlp * config.mlp_width)
    rows = (stream.gathered, stream.fixed, labels, jnp.full((N, 1), 1 / labels.size))
    mean, losses, correct = evaluate(config, symbols, weights, *map(cut, rows))
    return mean, joined(losses), joined(correct)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def evaluate(config: ModelConfig, symbols: int, weights: Weights, *rows: Array) -> tuple[Array, Array, Array]:
    """(weighted mean loss, losses, correctness); `rows` are those of `forward`, cut. Its gradients: the
    weights, what was gathered.
    """
    losses, correct = lax.scan(lambda _, rows: (_, forward(config, symbols, weights, *rows)[0]), None, rows)[
        1
    ]
    return (losses * rows[3]).sum(), losses, correct


def _evaluate(config, symbols, weights, *rows):
    first = rows[1].shape[-1]
    back = {
        name: weights[name][first:] for name in ("U", "T") if name in weights
    }  # cut here, not again in every chunk

    def body(sums, rows):
        out, gradients = chunk(config, symbols, weights, back, *rows)
        return jax.tree.map(jnp.add, sums, gradients), out

    sums, (losses, correct, g_gathered) = lax.scan(body, jax.tree.map(jnp.zeros_like, weights), rows)
    return ((losses * rows[3]).sum(), losses, correct), (sums, g_gathered)


def _evaluate_pullback(config, symbols, gradients, g):
    return *jax.tree.map(lambda x: x * g[0], gradients), None, None, None


evaluate.defvjp(_evaluate, _evaluate_pullback)


def forward(
    config: ModelConfig,
    symbols: int,
    weights: Weights,
    gathered: Array,
    fixed: Array,
    labels: Array,
    weight: Array,
) -> tuple[tuple[Array, Array], tuple[Array, Array, Any]]:
    """((losses, correctness), (X, gradient by the logits [O, n], the activations and their derivative)) of n
    rows.
    """
    X, mlp = jnp.concatenate([fixed, gathered], 1), None
    logits = contract(weights["U"], X, 0, 1)
    if config.mlp:
        mlp = ACTIVATION[config.activation](contract(X, weights["T"], 1, 0))
        logits = logits + contract(weights["W"], mlp[0], 1, 1)
    losses, correct, g = loss_and_gradient(logits.reshape(-1, symbols, len(X)), labels.T, weight.T)
    return (losses.T, correct.T), (X, g.reshape(-1, len(X)), mlp)


def chunk(
    config: ModelConfig, symbols: int, weights: Weights, back: Weights, *rows: Array
) -> tuple[tuple[Array, ...], Weights]:
    """((losses, correctness, gradient by the gathered), gradients by the weights) of n rows; `back`: T and U,
    the rows of the gathered.
    """
    scores, (X, g, mlp) = forward(config, symbols, weights, *rows)
    g_gathered, gradients = contract(g, back["U"], 0, 1), dict(U=contract(g, X, 1, 0).T)
    if mlp:
        post, pull = mlp
        g_pre = pull(contract(g, weights["W"], 0, 0))
        g_gathered = g_gathered + contract(g_pre, back["T"], 1, 1)
        gradients |= dict(T=contract(X, g_pre, 0, 0), W=contract(g, post, 1, 0))
    return (*scores, g_gathered), gradients


def loss_and_gradient(
    logits: Float[Array, "A V n"], labels: Int[Array, "A n"], weight: Float[Array, "1 n"]
) -> tuple[Float[Array, "A n"], Bool[Array, "A n"], Float[Array, "A V n"]]:
    """Cross-entropy in nats, correctness, and the gradient times `weight`, with the relative precision of
    objective.cross_entropy.
    """
    is_label = jnp.arange(logits.shape[1])[:, None] == labels[:, None]
    own = jnp.where(is_label, logits, 0).sum(1, keepdims=True)
    odds = jnp.where(is_label, -jnp.inf, logits - own)
    largest = odds.max(1, keepdims=True)
    e = jnp.exp(odds - largest)
    total = e.sum(1, keepdims=True)
    against = largest + jnp.log(total)
    wrong = weight[:, None] * jax.nn.sigmoid(against)
    return jax.nn.softplus(against)[:, 0], largest[:, 0] < 0, jnp.where(is_label, -wrong, e * (wrong / total))
