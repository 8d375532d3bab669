"""From tokens to the residual stream before the last MLP, in the form that costs least."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import transformer
from grokjax.model.fast import blocks, states
from grokjax.model.fast.arithmetic import take
from grokjax.model.fast.by_symbol import by_symbol
from grokjax.model.fast.by_value import by_value
from grokjax.model.fast.stream import Stream, before_mlp, cutting, formed, through, with_bias
from grokjax.tap import untouched


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
            return by_value(config, p, t, tokens, rate)
        if looks_up_symbols(config, t, tokens):
            return by_symbol(config, p, t, tokens, rate)
    return formed(last_mid(config, params, tokens, np.asarray(task.read), tokens_at, rate, offset))


def looks_up_symbols(config: ModelConfig, t: states.Tables, tokens: Array) -> bool:
    """Whether `by_symbol` costs less than the stream formed."""
    return columns_by_symbol(config, t, tokens) <= 2 * config.d_model


def columns_by_symbol(config: ModelConfig, t: states.Tables, tokens: Array) -> float:
    """The columns that `by_symbol` gathers; infinite where its table of scores is too large, or places
    are not fixed.
    """
    scores = len(t.states(t.rows)[0]) * len(t.states(t.everywhere)[0])
    possible = config.positions != "abacus" and scores <= 8 * tokens.size * len(t.rows)
    by_place = len(t.tokens_at) - 1 if t.embedded and config.attention == "live" else 0
    return config.num_heads * (len(t.ids(t.everywhere)) - 1 + by_place) if possible else np.inf


def columns_by_value(config: ModelConfig, t: states.Tables) -> float:
    """The columns that `by_value` gathers; infinite where more than one state reads."""
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
    stream = by_symbol(config, p, t, tokens, rate)
    return (
        stream
        if len(stream.fixed.T) + len(stream.gathered.T) <= config.d_model
        else formed(before_mlp(stream))
    )


def after_mlp(config: ModelConfig, p: PyTree, stream: Stream) -> Float[Array, "N D"]:
    """The stream after an MLP that is not the last, in chunks of rows."""
    if not config.mlp:
        return before_mlp(stream)
    tables = p["b_out"][None] if stream.tables is None else with_bias(stream, stream.tables, p["b_out"])
    weights = dict(tables=tables, T=through(stream, p["W_in"], p["b_in"]), W_out=p["W_out"])
    cut, joined = cutting(len(stream.gathered), len(weights["T"]) + config.d_model + config.mlp_width)
    return joined(blocks.with_mlp(config, weights, cut(stream.fixed), cut(stream.gathered)))
