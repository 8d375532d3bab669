"""Patching: what a run answers when activations are copied in from its run on other inputs.

`tokens` are the inputs that are answered, `source` those that the copies come from, example by example.
`score(logits [B, P, V])` is what is measured of the answer: a number, an array or a tree of them. Its values
on `tokens` and on `source` are the two ends that `effect` measures between. Attributions and integrated
gradients estimate the same from gradients, for every entry of an activation at once.
Heimersheim & Nanda, arXiv:2404.15255.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax import objective
from grokjax.interp import activations
from grokjax.run import Run

Score = Callable[[Array], Any]
Tokens = Int[Array, "B P"]


def patch(
    run: Run, tokens: Tokens, source: Tokens, score: Score, name: str, *, axis: int | Sequence[int] = 1
) -> PyTree:
    """The score with the activation `name` copied at one index after another of an axis, leaves [size, ...].

    With several axes the copies are made at one entry of all of them, leaves [size, size, ...]; with none,
    `axis=()`, the whole activation is copied. Axis 1 is the position, or the head of `pattern` and
    `attn_scores`; axis 2 the head of q, k, v, z and result, or the query of a pattern.
    Raises ValueError for an unknown name, or for an axis that the activation does not have.
    """
    theirs = run.cache(source, names=[name])[name]
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    if not all(1 <= one < theirs.ndim for one in axes):
        raise ValueError(f"axis={axis}: {name} has the axes 1 to {theirs.ndim - 1} behind the examples")
    sizes = tuple(theirs.shape[one] for one in axes)

    def at(place):
        here = jnp.array(True)
        for one, index in zip(axes, jnp.unravel_index(place, sizes), strict=True):
            here &= (jnp.arange(theirs.shape[one]) == index).reshape(-1, *[1] * (theirs.ndim - 1 - one))
        return score(run.run_with_cache(tokens, {name: lambda x: jnp.where(here, theirs, x)}, names=())[0])

    found = jax.lax.map(at, jnp.arange(int(np.prod(sizes))))
    return jax.tree.map(lambda leaf: leaf.reshape(*sizes, *leaf.shape[1:]), found)


def positions(
    run: Run, tokens: Tokens, source: Tokens, score: Score, *, name: str = "blocks.0.resid_pre"
) -> PyTree:
    """The score, leaves [P, ...], with an activation [B, P, ...] copied at one position after another."""
    return patch(run, tokens, source, score, name)


def components(run: Run, tokens: Tokens, source: Tokens, score: Score) -> dict[str, PyTree]:
    """The score, leaves [P, ...] by name, with one position of the stream, or of what adds to it, copied."""
    kinds = ("embed", "resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")
    names = [name for name in activations.names(run) if name.endswith(kinds)]
    return {name: patch(run, tokens, source, score, name) for name in names}


def heads(run: Run, tokens: Tokens, source: Tokens, score: Score, *, part: str = "z") -> PyTree:
    """The score, leaves [L, H, ...], with one head's `part` copied at every position.

    part: z (what it reads), result (what it adds), q, k, v, pattern or attn_scores
    """
    return _by_layer(run, tokens, source, score, part, 1 if part in OF_PATTERN else 2)


def heads_by_position(run: Run, tokens: Tokens, source: Tokens, score: Score, *, part: str = "z") -> PyTree:
    """The score, leaves [L, P, H, ...], with one head's `part` copied at one position.

    part: as in `heads`; the position of a pattern or of scores is the query's
    """
    return _by_layer(run, tokens, source, score, part, (2, 1) if part in OF_PATTERN else (1, 2))


OF_PATTERN = ("pattern", "attn_scores")
"""The activations [B, H, q, p], whose head comes before their positions."""


def _by_layer(run, tokens, source, score, part, axis):
    one = lambda layer: patch(run, tokens, source, score, f"blocks.{layer}.attn.{part}", axis=axis)
    return jax.tree.map(lambda *layers: jnp.stack(layers), *map(one, range(run.config.num_layers)))


def effect(
    patched: Float[Array, "..."], clean: Float[Array, ""], corrupted: Float[Array, ""]
) -> Float[Array, "..."]:
    """The share of the way from the score on `tokens` (0) to that on `source` (1) that the copy has gone."""
    return (patched - clean) / (corrupted - clean)


def attributions(
    run: Run, tokens: Tokens, source: Tokens, score: Score, *, at: Sequence[str] | None = None
) -> dict[str, Array]:
    """How much a scalar score rises, to first order, when each entry of the activations `at` is copied.

    It is the gradient on `tokens` times the difference between the activations: attribution patching (Nanda
    2023; Syed et al., arXiv:2310.10348), from one backward pass. Sums over axes estimate what `patch` finds.

    at: names of activations (None: all)
    """
    at = activations.names(run) if at is None else at
    ours, theirs = (run.cache(inputs, names=at) for inputs in (tokens, source))
    slopes = activations.gradients(run, tokens, score, at=at)
    return {name: slopes[name] * _difference(ours[name], theirs[name]) for name in at}


def integrated_gradients(
    run: Run, tokens: Tokens, source: Tokens, score: Score, name: str, *, steps: int = 16
) -> Array:
    """What each entry of an activation adds to the rise of a scalar score when the whole of it is copied.

    The gradient is averaged on the straight way from the activation's value on `tokens` to that on `source`,
    by the midpoint rule, and multiplied by the difference (Sundararajan et al. 2017, arXiv:1703.01365). The
    entries sum to `patch(..., axis=())` less the score on `tokens`, up to the rule's error.
    """
    ours, theirs = (run.cache(inputs, names=[name])[name] for inputs in (tokens, source))
    way = _difference(ours, theirs)

    def slope(share):
        there = {name: lambda x: ours + share * way}
        return activations.gradients(run, tokens, score, at=[name], edits=there)[name]

    return jax.lax.map(slope, (jnp.arange(steps) + 0.5) / steps).mean(0) * way


def _difference(ours, theirs):
    # what nothing may read has the score -inf on both sides: there is no difference
    return jnp.where(ours == theirs, 0.0, theirs - ours)


def path_ablation(
    run: Run,
    tokens: Tokens,
    source: Tokens,
    kept: Bool[Array, "C P"],
    own_token: Bool[Array, " C"],
) -> Float[Array, "B C V"]:
    """Logits of every answer when it reads only some places; the others carry another example's tokens.

    A path is cut, not a whole activation: from the tokens at a place through the values into the place where
    the answer is read, by the weights of the example's own pattern.

    kept: the places from which each answer reads `tokens`; from all others it reads `source`
    own_token: whether the token at the place of reading itself, which needs no attention, is its own
    In single and parallel mode all answers have one place, and `kept` has one row. Raises ValueError for more
    layers than one or a layer norm.
    """
    config = run.config
    if config.num_layers != 1 or config.layer_norm:
        raise ValueError(
            f"num_layers={config.num_layers}, layer_norm={config.layer_norm}: "
            "paths are separate in one layer without layer norm"
        )
    names = ("blocks.0.attn.pattern", "blocks.0.attn.v", "blocks.0.resid_pre")
    ours, theirs = (run.cache(x, names=names) for x in (tokens, source))
    read = jnp.asarray(run.task.read)
    pattern = ours["blocks.0.attn.pattern"][:, :, read]
    own, other = (jnp.where(mine, pattern, 0) for mine in (kept, ~kept))
    z = sum(
        jnp.einsum("bhcp,bphk->bchk", weights, cache["blocks.0.attn.v"], precision="float32")
        for weights, cache in ((own, ours), (other, theirs))
    )
    before, swapped = (cache["blocks.0.resid_pre"][:, read] for cache in (ours, theirs))
    added = jnp.einsum("bchk,hkd->bcd", z, run.params["blocks"][0]["W_O"], precision="float32")
    mid = jnp.where(own_token[:, None], before, swapped) + added
    name = "blocks.0.resid_mid" if config.mlp else "blocks.0.resid_post"
    logits = run.run_with_cache(tokens, {name: lambda x: x.at[:, read].set(mid)}, names=())[0]
    return objective.by_answer(run.task, logits[:, read])
