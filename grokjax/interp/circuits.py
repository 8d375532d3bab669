"""Circuits: what the weights alone say, as products of weight matrices from one basis that people can read to
another (Elhage et al. 2021).

A basis is a set of N rows in the residual stream: see `basis`. Where layer norm stands between two matrices,
its gain and its centring are taken along. Its scale depends on the input and is left out, as is its bias.
Rotations and biases of scores (RoPE, FIRE) are left out: they depend on the distance between two places.

The attention rate is no part of a circuit: OV is what a head moves for each unit of attention, QK the scores.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from grokjax.interp import factorizations
from grokjax.model import attention, positions
from grokjax.run import Run
from grokjax.tasks.layout import permutation as digit_ids

BASES = ("token", "symbol", "position", "stream")
"""The bases by name, see `basis`."""


def basis(run: Run, of: str) -> Float[Array, "N D"]:
    """Returns the rows of a basis in the residual stream.

    of: `token`, all rows of W_E; `symbol`, those of the digits or residues by rising value, without `=` and
      other signs; `position`, the table that the encoding adds; `stream`, the coordinates themselves, D × D
    Raises ValueError for another word, and for a basis that the run does not have.
    """
    table = positions.table(run.config, run.params)
    if of == "token":
        return run.params["W_E"]
    if of == "symbol":
        return run.params["W_E"][symbols(run)]
    if of == "stream":
        return jnp.eye(run.config.d_model)
    if of != "position" or table is None:
        raise ValueError(
            f"{of!r} with positions={run.config.positions!r}: the bases are {', '.join(map(repr, BASES))}; "
            "'position' only where positions are added"
        )
    return table


def symbols(run: Run) -> Int[np.ndarray, " n"]:
    """Returns the token ids of the values 0 … n − 1: of the digits of a base, or the residues of a modulus.

    Raises ValueError for a task whose tokens are not numbers.
    """
    task = run.task
    if modulus := getattr(task, "modulus", 0):
        return np.arange(modulus)
    if getattr(task, "base", 0):
        return digit_ids(task)
    raise ValueError(f"{type(task).__name__} has no symbols with a value: it needs a `modulus` or a `base`")


def reading(run: Run, layer: int, weight: str) -> Float[Array, "D ..."]:
    """Returns W_Q, W_K, W_V or W_in of a layer as a matrix that reads the stream itself, before layer norm.

    Raises ValueError for W_Q and W_K without live attention.
    """
    if weight in ("W_Q", "W_K") and run.config.attention != "live":
        raise ValueError(
            f"attention={run.config.attention!r} has no queries and keys; only 'live' attention does"
        )
    block, norm = run.params["blocks"][layer], "ln2" if weight == "W_in" else "ln1"
    return _behind(block[norm]["w"], block[weight]) if run.config.layer_norm else block[weight]


def unembedding(run: Run) -> Float[Array, "D V"]:
    """Returns W_U as a matrix that reads the last residual stream itself."""
    W_U = run.params["W_U"]
    return _behind(run.params["ln_final"]["w"], W_U) if run.config.layer_norm else W_U


def direct(run: Run, *, of: str = "token") -> Float[Array, "N V"]:
    """Returns the direct path, W_E W_U: what a token adds to the logits at its own place by no layer."""
    return _product(basis(run, of), unembedding(run))


def ov(run: Run, layer: int = 0, *, of: str = "token") -> Float[Array, "H N V"]:
    """Returns the full OV circuit of every head, W_E W_V W_O W_U.

    It is what a token adds directly to the logits where it is attended to.
    """
    return _product(ov_to_stream(run, layer, of=of), unembedding(run))


def ov_to_neurons(run: Run, layer: int = 0, *, of: str = "token") -> Float[Array, "H N M"]:
    """Returns W_E W_V W_O W_in: what a token adds to the layer's neurons where a head attends to it."""
    return _product(ov_to_stream(run, layer, of=of), reading(run, layer, "W_in"))


def ov_to_stream(run: Run, layer: int = 0, *, of: str = "token") -> Float[Array, "H N D"]:
    """Returns W_E W_V W_O: what each head writes into the stream where it attends to a token."""
    value = _heads(basis(run, of), reading(run, layer, "W_V"))
    return jnp.einsum("hnk,hkd->hnd", value, run.params["blocks"][layer]["W_O"], precision="float32")


def qk(run: Run, layer: int = 0, *, query_of: str = "token", key_of: str = "token") -> Float[Array, "H N N2"]:
    """Returns the full QK circuit of every head, W_E W_Q W_Kᵀ W_Eᵀ / sqrt(K): scores, query by key.

    In a first layer without layer norm the four of token and position sum to the scores of the model. Raises
    ValueError without live attention.
    """
    q = _heads(basis(run, query_of), reading(run, layer, "W_Q"))
    k = _heads(basis(run, key_of), reading(run, layer, "W_K"))
    return jnp.einsum("hnk,hmk->hnm", q, k, precision="float32") / np.sqrt(run.config.head_width)


PAIRS = tuple(itertools.product(("position", "token"), repeat=2))
"""The bases of query and key, in the order of `score_shares`."""


def score_shares(run: Run, tokens: Int[Array, "B P"]) -> Float[Array, "H 4"]:
    """Returns the share of each of the parts `PAIRS` of a first layer's scores in what tells keys apart.

    Only the places where answers are read are counted. A part's weight is its sum of squares over the keys in
    view, less their mean, which the softmax does not see.
    """
    read, place = np.asarray(run.task.read), np.arange(tokens.shape[1])
    seen = jnp.asarray(attention.visible(run.config, read, place))
    rows = dict(token=tokens, position=jnp.broadcast_to(place, tokens.shape))

    def squares(query_of: str, key_of: str) -> Float[Array, " H"]:
        of_pairs = qk(run, query_of=query_of, key_of=key_of)
        part = of_pairs[:, rows[query_of][:, read, None], rows[key_of][:, None, :]]
        mean = (part * seen).sum(-1, keepdims=True) / seen.sum(-1, keepdims=True)
        return jnp.square((part - mean) * seen).sum((1, 2, 3))

    found = jnp.stack([squares(*pair) for pair in PAIRS], -1)
    return found / found.sum(-1, keepdims=True)


def mlp_in(run: Run, layer: int = 0, *, of: str = "token") -> Float[Array, "N M"]:
    """Returns W_E W_in: what a token adds directly to a layer's neurons at its own place, without b_in."""
    return _product(basis(run, of), reading(run, layer, "W_in"))


def mlp_out(run: Run, layer: int = 0) -> Float[Array, "M V"]:
    """Returns W_out W_U: what a neuron adds to the logits, directly, for each unit of its activation."""
    return _product(run.params["blocks"][layer]["W_out"], unembedding(run))


class Factored(NamedTuple):
    """The singular value decomposition of a D × D matrix of each head, U diag(S) Vᵀ; the largest S first."""

    U: Float[Array, "H D K"]
    S: Float[Array, "H K"]
    V: Float[Array, "H D K"]


def ov_svd(run: Run, layer: int = 0) -> Factored:
    """Returns the SVD of W_V W_O of every head: it reads the columns of U and writes those of V."""
    return _factored(_by_head(reading(run, layer, "W_V")), run.params["blocks"][layer]["W_O"])


def qk_svd(run: Run, layer: int = 0) -> Factored:
    """Returns the SVD of W_Q W_Kᵀ / sqrt(K) of every head: queries along U score keys along V.

    Raises ValueError without live attention.
    """
    query, key = (_by_head(reading(run, layer, name)) for name in ("W_Q", "W_K"))
    return _factored(query / np.sqrt(run.config.head_width), key.swapaxes(1, 2))


def ov_eigenvalues(run: Run, layer: int = 0, *, of: str = "token") -> Complex[Array, "H K"]:
    """Returns the K eigenvalues of OV of every head that may differ from 0, in no order.

    of: `token`, the full circuit W_E W_V W_O W_U on the n ids that can be both read and predicted, n × n; or
      `stream`, W_V W_O
    Raises ValueError for another basis, and where one position predicts several answers.
    """
    # A Bᵀ and Bᵀ A have the same eigenvalues but for zeros: K × K instead of n × n
    W_V, W_O = _by_head(reading(run, layer, "W_V")), run.params["blocks"][layer]["W_O"]
    if of == "stream":
        return _eigenvalues(_product(W_O, W_V))
    if of != "token" or len(run.task.columns) != len(run.task.read):
        raise ValueError(
            f"of={of!r} with {len(run.task.columns)} answers at {len(run.task.read)} positions: eigenvalues "
            "are of 'stream', or of 'token' where each position predicts one answer"
        )
    ids = min(run.config.vocabulary, run.config.num_outputs)
    round_trip = _product(unembedding(run)[:, :ids], run.params["W_E"][:ids])
    return _eigenvalues(_product(_product(W_O, round_trip), W_V))


def qk_eigenvalues(run: Run, layer: int = 0, *, of: str = "token") -> Complex[Array, "H K"]:
    """Returns the K eigenvalues of `qk` of every head that may differ from 0, queries and keys in one basis.

    Raises ValueError without live attention.
    """
    q, k = (_heads(basis(run, of), reading(run, layer, name)) for name in ("W_Q", "W_K"))
    gram = jnp.einsum("hnk,hnj->hkj", k, q, precision="float32")
    return _eigenvalues(gram / np.sqrt(run.config.head_width))


def copying_score(run: Run, layer: int = 0) -> Float[Array, " H"]:
    """Returns Σ λ / Σ |λ| over the eigenvalues of every head's full OV circuit (Elhage et al. 2021).

    It is 1 for a head that raises the logit of what it attends to, −1 for one that lowers it, 0 for an empty
    head.
    """
    found = ov_eigenvalues(run, layer)
    return found.real.sum(-1) / jnp.maximum(jnp.abs(found).sum(-1), 1e-30)


def _factored(left, right):
    """The SVD of left [H, D, K] times right [H, K, D], through K × K matrices."""
    U, S, inner = jax.vmap(factorizations.svd)(left)
    outer, S2, V = jax.vmap(factorizations.svd)(right)
    middle = S[:, :, None] * _product(inner, outer) * S2[:, None, :]
    U3, values, V3 = jax.vmap(factorizations.svd)(middle)
    return Factored(_product(U, U3), values, _product(V3, V).swapaxes(1, 2))


def _eigenvalues(square):
    return jax.vmap(factorizations.eigenvalues)(square)


def _by_head(W):
    """[D, H, K] as [H, D, K]."""
    return jnp.moveaxis(W, 1, 0)


def _heads(rows, W):
    return jnp.einsum("nd,dhk->hnk", rows, W, precision="float32")


def _behind(gain, W):
    """W of `centred(x) * gain @ W`, as a matrix that reads x."""
    scaled = jnp.einsum("d,d...->d...", gain, W)
    return scaled - scaled.mean(0)


def _product(left, right):
    return jnp.matmul(left, right, precision="float32")
