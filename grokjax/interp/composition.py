"""Whether one unit reads what another writes, from the weights alone: composition scores, and how far they
are from chance.

score = ‖L R‖ / (‖L‖ ‖R‖), Frobenius norms, L what the first writes (D wide at its end) and R what the second
reads (Elhage et al. 2021). Products of K × K matrices; no D × D matrix is formed.

The baseline keeps both spectra and turns one basis at random (Haar over O(D)): what any two units would show
whose singular values are these and whose directions know nothing of each other. With A = LᵀL / ‖L‖² and B =
RRᵀ / ‖R‖², score² = tr(A B) has under it exactly the mean 1/D and, since the traceless symmetric matrices are
irreducible under O(D), the variance
2 (tr A² − 1/D) (tr B² − 1/D) / ((D − 1)(D + 2)). z is in its deviations: no draws, the same number each time.
The law is skewed, so z is a scale and no p-value; units of a trained model that share a small subspace can
all lie above 0.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.interp import circuits


class Composition(NamedTuple):
    """The score of each pair, 0 to 1, and its distance from the baseline; both 0 where the first does not
    come before the second.
    """

    score: Float[Array, "..."]
    z: Float[Array, "..."]


class _Units(NamedTuple):
    """N units as `factor @ gram @ factorᵀ`, which is LᵀL or RRᵀ."""

    factor: Float[Array, "N D K"]
    gram: Float[Array, "N K K"]


def heads(config: ModelConfig, params: PyTree, into: str) -> Composition:
    """[L, H, L, H]: what each head writes, read by the queries (`into` = "Q"), keys ("K") or values ("V") of
    the heads of later layers.

    TransformerLens's `all_composition_scores`, with z. ValueError for another letter.
    """
    if into not in ("Q", "K", "V"):
        raise ValueError(f"into={into!r} must be one of Q, K, V")
    layers = jnp.arange(config.num_layers)
    found = _between(_head_outputs(config, params), _head_inputs(config, params, into))
    shape = (config.num_layers, config.num_heads) * 2
    return _where(layers[:, None, None, None] < layers[:, None], found, shape)


def heads_to_neurons(config: ModelConfig, params: PyTree) -> Composition:
    """[L, H, L, M]: what each head writes, read by the neurons of its own and of later layers."""
    layers = jnp.arange(config.num_layers)
    inputs = jnp.concatenate(
        [circuits.reading(config, params, layer, "ln2", "W_in") for layer in range(config.num_layers)], 1
    )
    found = _between(_head_outputs(config, params), _vectors(inputs.T))
    return _where(
        layers[:, None, None, None] <= layers[:, None],
        found,
        (config.num_layers, config.num_heads, config.num_layers, -1),
    )


def neurons_to_heads(config: ModelConfig, params: PyTree, into: str) -> Composition:
    """[L, M, L, H]: what each neuron writes, read by the queries, keys or values of the heads of later
    layers.
    """
    layers = jnp.arange(config.num_layers)
    found = _between(_neuron_outputs(params), _head_inputs(config, params, into))
    return _where(
        layers[:, None, None, None] < layers[:, None],
        found,
        (config.num_layers, -1, config.num_layers, config.num_heads),
    )


def heads_to_unembedding(config: ModelConfig, params: PyTree) -> Composition:
    """[L, H]: what each head writes, read by W_U."""
    found = _between(_head_outputs(config, params), _unembedding(config, params))
    return Composition(*(x.reshape(config.num_layers, -1) for x in found))


def neurons_to_unembedding(config: ModelConfig, params: PyTree) -> Composition:
    """[L, M]: what each neuron writes, read by W_U."""
    found = _between(_neuron_outputs(params), _unembedding(config, params))
    return Composition(*(x.reshape(config.num_layers, -1) for x in found))


def pairs_by_k_composition(
    config: ModelConfig, params: PyTree
) -> tuple[Int[Array, "N 4"], Float[Array, " N"]]:
    """Pairs of heads (layer, head, later layer, head), the one with the largest z of K-composition first, and
    z.

    An induction head's keys read what a previous-token head writes (Olsson et al. 2022, arXiv:2209.11895).
    """
    z = heads(config, params, "K").z
    pairs = np.indices(z.shape).reshape(4, -1).T
    pairs = pairs[pairs[:, 0] < pairs[:, 2]]
    z = z[tuple(pairs.T)]
    order = jnp.argsort(-z)
    return jnp.asarray(pairs)[order], z[order]


def _head_outputs(config, params):
    blocks = params["blocks"]
    value = jnp.concatenate(
        [
            jnp.moveaxis(circuits.reading(config, params, layer, "ln1", "W_V"), 0, 1)
            for layer in range(len(blocks))
        ]
    )
    return _Units(jnp.concatenate([jnp.swapaxes(p["W_O"], 1, 2) for p in blocks]), _gram(value))


def _head_inputs(config, params, into):
    blocks = range(config.num_layers)
    weight = lambda name: jnp.concatenate(
        [jnp.moveaxis(circuits.reading(config, params, layer, "ln1", name), 0, 1) for layer in blocks]
    )
    if into == "V":
        output = jnp.concatenate([p["W_O"] for p in params["blocks"]])
        return _Units(weight("W_V"), jnp.einsum("nkd,njd->nkj", output, output, precision="float32"))
    own, other = ("W_Q", "W_K") if into == "Q" else ("W_K", "W_Q")
    return _Units(weight(own), _gram(weight(other)))


def _neuron_outputs(params):
    return _vectors(jnp.concatenate([p["W_out"] for p in params["blocks"]]))


def _vectors(rows):
    return _Units(rows[..., None], jnp.ones((len(rows), 1, 1)))


def _unembedding(config, params):
    """W_U less its mean over the symbols: adding one number to all logits says nothing."""
    outward = circuits.unembedding(config, params)
    outward = outward - outward.mean(1, keepdims=True)
    return _Units(outward[None], jnp.eye(outward.shape[1])[None])


def _gram(x):
    return jnp.einsum("ndk,ndj->nkj", x, x, precision="float32")


def _between(writers: _Units, readers: _Units) -> Composition:
    """[writers, readers]."""
    width = writers.factor.shape[1]
    inner = jnp.einsum("adk,bdj->abkj", writers.factor, readers.factor, precision="float32")
    common = jnp.einsum(
        "akl,abkj,bji,abli->ab", writers.gram, inner, readers.gram, inner, precision="float32", optimize=True
    )
    (size, spread), (size_read, spread_read) = _moments(writers), _moments(readers)
    squared = common / jnp.maximum(size[:, None] * size_read, 1e-30)
    deviation = jnp.sqrt(2 * spread[:, None] * spread_read / ((width - 1) * (width + 2)))
    alive = size[:, None] * size_read > 0
    z = jnp.where(alive, (squared - 1 / width) / jnp.maximum(deviation, 1e-12), 0)
    return Composition(jnp.sqrt(jnp.maximum(squared, 0)), z)


def _moments(units):
    """tr X and tr (X / tr X)² − 1/D of X = factor gram factorᵀ."""
    own = jnp.einsum("nkj,nji->nki", units.gram, _gram(units.factor), precision="float32")
    size = jnp.trace(own, axis1=1, axis2=2)
    squares = jnp.einsum("nkj,njk->n", own, own, precision="float32") / jnp.maximum(size, 1e-30) ** 2
    return size, jnp.maximum(squares - 1 / units.factor.shape[1], 0)


def _where(before, found, shape):
    return Composition(*(jnp.where(before, x.reshape(shape), 0) for x in found))
