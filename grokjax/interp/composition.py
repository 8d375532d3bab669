"""Composition scores: whether one unit reads what another writes, from the weights alone, and against chance.

score = ‖L R‖ / (‖L‖ ‖R‖) in Frobenius norms. L is what the first unit writes (D wide at its end), R what the
second reads (Elhage et al. 2021). Products are of K × K matrices; no D × D matrix is formed.

The baseline keeps both spectra and turns one basis at random (Haar over O(D)): what two units would show
whose singular values are these and whose directions know nothing of each other. With A = LᵀL / ‖L‖² and
B = RRᵀ / ‖R‖², score² = tr(A B) has the mean 1/D under it. Since the traceless symmetric matrices are
irreducible under O(D), its variance is 2 (tr A² − 1/D) (tr B² − 1/D) / ((D − 1)(D + 2)). z counts in its
deviations: no draws, the same number each time. The law is skewed, so z is a scale and no p-value. Units of a
trained run that share a small subspace can all lie above 0.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.interp import circuits
from grokjax.run import Run


class Composition(NamedTuple):
    """The score of each pair, 0 to 1, and its z against the baseline.

    Both are 0 where the first unit does not come before the second.
    """

    score: Float[Array, "..."]
    z: Float[Array, "..."]


class _Units(NamedTuple):
    """N units as `factor @ gram @ factorᵀ`, which is LᵀL or RRᵀ."""

    factor: Float[Array, "N D K"]
    gram: Float[Array, "N K K"]


def heads(run: Run, into: str) -> Composition:
    """Returns [L, H, L, H]: what each head writes, read by the heads of later layers.

    into: Q | K | V, whether queries, keys or values read it
    TransformerLens calls the scores `all_composition_scores`. Raises ValueError for another letter, and for Q
    and K without live attention.
    """
    found = _between(_head_outputs(run), _head_inputs(run, into))
    shape = (run.config.num_layers, run.config.num_heads) * 2
    return _where(_layers(run)[:, None, None, None] < _layers(run)[:, None], found, shape)


def heads_to_neurons(run: Run) -> Composition:
    """Returns [L, H, L, M]: what each head writes, read by the neurons of its own and of later layers."""
    inputs = [circuits.reading(run, layer, "W_in") for layer in range(run.config.num_layers)]
    found = _between(_head_outputs(run), _vectors(jnp.concatenate(inputs, 1).T))
    shape = (run.config.num_layers, run.config.num_heads, run.config.num_layers, -1)
    return _where(_layers(run)[:, None, None, None] <= _layers(run)[:, None], found, shape)


def neurons_to_heads(run: Run, into: str) -> Composition:
    """Returns [L, M, L, H]: what each neuron writes, read by the heads of later layers.

    into: Q | K | V, as for `heads`
    """
    found = _between(_neuron_outputs(run), _head_inputs(run, into))
    shape = (run.config.num_layers, -1, run.config.num_layers, run.config.num_heads)
    return _where(_layers(run)[:, None, None, None] < _layers(run)[:, None], found, shape)


def heads_to_unembedding(run: Run) -> Composition:
    """Returns [L, H]: what each head writes, read by W_U."""
    found = _between(_head_outputs(run), _unembedding(run))
    return Composition(*(x.reshape(run.config.num_layers, -1) for x in found))


def neurons_to_unembedding(run: Run) -> Composition:
    """Returns [L, M]: what each neuron writes, read by W_U."""
    found = _between(_neuron_outputs(run), _unembedding(run))
    return Composition(*(x.reshape(run.config.num_layers, -1) for x in found))


def pairs_by_k_composition(run: Run) -> tuple[Int[Array, "N 4"], Float[Array, " N"]]:
    """Returns pairs (layer, head, later layer, head) by falling z of K-composition, and z.

    An induction head's keys read what a previous-token head writes (Olsson et al. 2022, arXiv:2209.11895).
    """
    z = heads(run, "K").z
    pairs = np.indices(z.shape).reshape(4, -1).T
    pairs = pairs[pairs[:, 0] < pairs[:, 2]]
    z = z[tuple(pairs.T)]
    order = jnp.argsort(-z)
    return jnp.asarray(pairs)[order], z[order]


def _layers(run):
    return np.arange(run.config.num_layers)


def _head_outputs(run):
    output = jnp.concatenate([jnp.swapaxes(p["W_O"], 1, 2) for p in run.params["blocks"]])
    return _Units(output, _gram(_of_heads(run, "W_V")))


def _head_inputs(run, into):
    if into not in ("Q", "K", "V"):
        raise ValueError(f"into={into!r} must be one of Q, K, V")
    if into == "V":
        output = jnp.concatenate([p["W_O"] for p in run.params["blocks"]])
        return _Units(_of_heads(run, "W_V"), jnp.einsum("nkd,njd->nkj", output, output, precision="float32"))
    own, other = ("W_Q", "W_K") if into == "Q" else ("W_K", "W_Q")
    return _Units(_of_heads(run, own), _gram(_of_heads(run, other)))


def _of_heads(run, weight):
    """A weight of all heads of all layers, [L H, D, K], as it reads the stream."""
    layers = range(run.config.num_layers)
    return jnp.concatenate([jnp.moveaxis(circuits.reading(run, layer, weight), 0, 1) for layer in layers])


def _neuron_outputs(run):
    return _vectors(jnp.concatenate([p["W_out"] for p in run.params["blocks"]]))


def _vectors(rows):
    return _Units(rows[..., None], jnp.ones((len(rows), 1, 1)))


def _unembedding(run):
    """W_U less its mean over the symbols: adding one number to all logits says nothing."""
    outward = circuits.unembedding(run)
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
