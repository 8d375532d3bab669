"""The edges between components: what each one reads of each earlier one, patched one by one, ranked, pruned.

A sender (token and position embedding, head, MLP) adds to the residual stream; a receiver (the q, k or v
input of a head, an MLP, the logits) reads the sum of all senders before it. An edge is one term of that sum.
`mask` [R, U] (receivers, senders), or [R, U, P] by the receiver's position, says for each edge how far the
term is replaced by its value on `source`: 0 not at all, 1 fully.
Path patching: Goldowsky-Dill et al., arXiv:2304.05969; edges as a circuit: Conmy et al., arXiv:2304.14997.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from grokjax.model import attention, positions, transformer
from grokjax.run import Run
from grokjax.tap import untouched

Score = Callable[[Array], Array]
Tokens = Int[Array, "B P"]


class Minimal(NamedTuple):
    """The edges that are left when no other can go, and the score with these alone."""

    kept: Bool[Array, "R U"]
    score: Float[Array, ""]


def senders(run: Run) -> tuple[str, ...]:
    """The names of what adds to the residual stream, in order: embed, pos_embed, 0.head.0, ..., 0.mlp, ..."""
    config = run.config
    added = ("embed", "pos_embed") if config.positions in positions.ADDED else ("embed",)
    blocks = [
        [*(f"{layer}.head.{head}" for head in range(config.num_heads)), *[f"{layer}.mlp"] * config.mlp]
        for layer in range(config.num_layers)
    ]
    return (*added, *(name for block in blocks for name in block))


def receivers(run: Run) -> tuple[str, ...]:
    """The names of what reads it, in order.

    They are 0.head.0.q, ..., 0.head.0.k, ..., 0.head.0.v, ..., 0.mlp, ..., logits.
    """
    config = run.config
    blocks = [
        [
            *(f"{layer}.head.{head}.{part}" for part in _parts(config) for head in range(config.num_heads)),
            *[f"{layer}.mlp"] * config.mlp,
        ]
        for layer in range(config.num_layers)
    ]
    return (*(name for block in blocks for name in block), "logits")


def exist(run: Run) -> Bool[np.ndarray, "R U"]:
    """Whether the sender comes before the receiver."""
    order = {name: place for place, name in enumerate(senders(run))}

    def first(receiver: str) -> int:
        """The place of the first sender that it does not read."""
        layer, _, part = receiver.partition(".")
        if receiver == "logits":
            return len(order)
        return order[f"{layer}.mlp" if part == "mlp" else f"{layer}.head.0"]

    return np.array([[place < first(receiver) for place in order.values()] for receiver in receivers(run)])


def forward(run: Run, tokens: Tokens, source: Tokens, mask: Float[Array, "R U *P"]) -> Float[Array, "B P V"]:
    """Logits on `tokens` with every edge replaced, as far as `mask` says, by its value on `source`.

    Edges that do not exist are ignored.
    """
    return _replaced(run, tokens, source)(mask)[0]


def patterns(
    run: Run, tokens: Tokens, source: Tokens, mask: Float[Array, "R U *P"]
) -> Float[Array, "L B H q p"]:
    """Every head's attention pattern there: what an edge into queries and keys changes first."""
    return jnp.stack(_replaced(run, tokens, source)(mask)[2])


def effects(run: Run, tokens: Tokens, source: Tokens, score: Score) -> Float[Array, "R U"]:
    """Path patching: the rise of `score(logits)` when one edge alone is replaced; NaN where there is no edge.

    What comes after the edge is computed anew.
    """
    there = exist(run)
    scored = _scored(run, tokens, source, score)
    alone = lambda edge: scored(jnp.zeros(there.shape).at[edge[0], edge[1]].set(1.0))
    found = jax.lax.map(alone, jnp.argwhere(there, size=int(there.sum())))
    return jnp.full(there.shape, jnp.nan).at[np.nonzero(there)].set(found - scored(jnp.zeros(there.shape)))


def attributions(
    run: Run, tokens: Tokens, source: Tokens, score: Score, *, steps: int = 1
) -> Float[Array, "R U"]:
    """The effects from gradients: edge attribution patching (Syed et al., arXiv:2310.10348); NaN for no edge.

    With one step it is the gradient where no edge is replaced: the effects to first order. With more it is
    the mean gradient on the way to all edges replaced, by the midpoint rule (Marks et al., arXiv:2403.19647):
    its sum is the whole change of the score, up to the rule's error.
    """
    there = exist(run)
    slope = jax.grad(_scored(run, tokens, source, score))
    shares = jnp.zeros(1) if steps == 1 else (jnp.arange(steps) + 0.5) / steps
    found = jax.lax.map(lambda share: slope(jnp.full(there.shape, share)), shares).mean(0)
    return jnp.where(there, found, jnp.nan)


def minimal(
    run: Run, tokens: Tokens, source: Tokens, score: Score, limit: Array | float, *, passes: int = 2
) -> Minimal:
    """A set of edges that keeps the score (a loss) at most `limit` when all others are replaced.

    No edge can be taken from it. Edges are tried from the least attribution on, and replaced for good
    wherever the limit allows; `passes` over those that are left make sure of that. Where the score is above
    the limit with no edge replaced, all edges are kept.
    """
    there = exist(run)
    places = jnp.argwhere(there, size=int(there.sum()))
    size = jnp.abs(attributions(run, tokens, source, score, steps=4))[places[:, 0], places[:, 1]]
    order = places[jnp.argsort(size)]
    scored = _scored(run, tokens, source, score)

    def tried(state, edge):
        mask, held = state
        without = mask.at[edge[0], edge[1]].set(1.0)
        found = scored(without)
        gone = found <= limit
        return (jnp.where(gone, without, mask), jnp.where(gone, found, held)), None

    start = jnp.zeros(there.shape)
    mask, held = jax.lax.scan(tried, (start, scored(start)), jnp.tile(order, (passes, 1)))[0]
    return Minimal((mask == 0) & there, held)


def _parts(config):
    return ("q", "k", "v") if config.attention == "live" else ("v",)


def _scored(run, tokens, source, score):
    replaced = _replaced(run, tokens, source)
    return lambda mask: score(replaced(mask)[0])


def _replaced(run, tokens, source):
    """What `_computed` gives for a mask; what is sent on `source` is computed once, for all masks."""
    with jax.default_matmul_precision("float32"):
        others = _computed(run, source, None, None)[1]

    def replaced(mask):
        with jax.default_matmul_precision("float32"):
            return _computed(run, tokens, others, mask[:, :, None] if mask.ndim == 2 else mask)

    return replaced


class _Stream:
    """What the senders have added so far, and the sums that receivers read, replaced as the mask says."""

    def __init__(self, others, mask):
        self.sent, self.others, self.mask, self.row = [], others, mask, 0

    def embedded(self, name, x):
        self.sent.append(x)
        return x

    def received(self, count):
        """The sums that the next `count` receivers read, [B, P, count, D]."""
        rows, self.row = slice(self.row, self.row + count), self.row + count
        batch, length, width = self.sent[0].shape
        total = jnp.broadcast_to(sum(self.sent)[:, :, None], (batch, length, count, width))
        if self.mask is None:
            return total
        change = jnp.stack([other - own for own, other in zip(self.sent, self.others, strict=False)])
        weights = jnp.broadcast_to(self.mask[rows, : len(change)], (count, len(change), length))
        return total + jnp.einsum("rup,ubpd->bprd", weights, change)


def _computed(run, tokens, others, mask):
    """(logits, what every sender adds, every layer's pattern): each receiver reads its own sum."""
    config, params, place = run.config, run.params, np.arange(tokens.shape[1])
    stream, seen = _Stream(others, mask), []
    transformer.embed(config, params, tokens, 0, stream.embedded)
    for p in params["blocks"]:
        normed = _normed(config, p, "ln1", stream.received(len(_parts(config)) * config.num_heads))
        by_part = zip(_parts(config), jnp.split(normed, len(_parts(config)), 2), strict=True)
        project = {part: jnp.einsum("bphd,dhk->bphk", x, p[f"W_{part.upper()}"]) for part, x in by_part}
        seen.append(_pattern(config, p, project, place, run.hyper.attention_rate))
        z = jnp.einsum("bhqp,bphk->bqhk", seen[-1], project["v"])
        stream.sent.extend(jnp.einsum("bphk,hkd->hbpd", z, p["W_O"]))
        if config.mlp:
            read = functools.partial(
                jnp.tensordot, _normed(config, p, "ln2", stream.received(1)[:, :, 0]), axes=1
            )
            stream.sent.append(transformer.mlp(config, p, read, untouched))
    return transformer.unembed(config, params, stream.received(1)[:, :, 0], untouched), stream.sent, seen


def _normed(config, p, name, x):
    return transformer.layer_norm(p[name], x, untouched) if config.layer_norm else x


def _pattern(config, p, project, place, rate):
    if config.attention == "live":
        pattern = jax.nn.softmax(attention.scores(config, p, project["q"], project["k"], (place, place)))
    else:
        pattern = attention.frozen_pattern(config, p, place, place)
        pattern = jnp.broadcast_to(pattern, (len(project["v"]), *pattern.shape))
    return attention.mixed(pattern, attention.visible(config, place, place), rate)
