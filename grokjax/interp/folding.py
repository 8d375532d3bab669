"""Folding: the same model in other weights, a `Run` for a `Run`, as TransformerLens processes weights.

`fold_ln` and `center_writing_weights` keep the logits, `center_unembed` moves all logits of an answer by one
number; each up to rounding. `circuits` and `composition` take gains and centring along by themselves, so they
say the same of a folded run.

TransformerLens's `fold_value_biases` has nothing to fold here, since models have no b_V. What stands for it
is the bias of ln1 as the values read it: `value_biases`.
"""

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from grokjax.run import Run
from grokjax.tasks.protocol import symbols_per_answer


def fold_ln(run: Run) -> Run:
    """Returns the run with the gains of its layer norms in the weights that follow, and gains of 1.

    The biases of ln2 and ln_final go into b_in and b_U, which the run then has. That of ln1 stays, divided by
    the gain, since queries, keys and values have no bias. Where the gain is 0, both stay as they are. A run
    without layer norm is returned unchanged.
    """
    if not run.config.layer_norm:
        return run
    norm, bias = run.params["ln_final"], run.params.get("b_U", 0.0)
    params = run.params | dict(
        blocks=[_folded(block) for block in run.params["blocks"]],
        W_U=_times(norm["w"], run.params["W_U"]),
        b_U=bias + jnp.matmul(norm["b"], run.params["W_U"], precision="float32"),
        ln_final=_plain(norm),
    )
    return run.replace(params=params, config=replace(run.config, unembed_bias=True))


def center_writing_weights(run: Run) -> Run:
    """Returns the run with every weight that writes to the stream of mean 0 over the stream's coordinates.

    Raises ValueError without layer norm, where weights read that mean and the logits would change.
    """
    if not run.config.layer_norm:
        raise ValueError(
            "layer_norm=False: weights read the mean of the stream, so centring would change the logits"
        )
    writes = ("W_E", "W_pos", "W_O", "W_out", "b_out")
    centred = lambda tree: tree | {name: _centred(tree[name]) for name in writes if name in tree}
    return run.replace(
        params=centred(run.params) | dict(blocks=[centred(block) for block in run.params["blocks"]])
    )


def center_unembed(run: Run) -> Run:
    """Returns the run with W_U and b_U of mean 0 over each answer's symbols: probabilities are the same."""
    symbols = symbols_per_answer(run.task)
    centred = lambda x: _centred(x.reshape(*x.shape[:-1], -1, symbols)).reshape(x.shape)
    names = [name for name in ("W_U", "b_U") if name in run.params]
    return run.replace(params=run.params | {name: centred(run.params[name]) for name in names})


def value_biases(run: Run, layer: int = 0) -> Float[Array, "H D"]:
    """Returns what each head adds to the stream whatever the tokens are: the bias of ln1 through W_V and W_O.

    It is for weights of attention that sum to 1, those of an attention rate of 1. Zeros without layer norm.
    """
    block = run.params["blocks"][layer]
    if not run.config.layer_norm:
        return jnp.zeros((run.config.num_heads, run.config.d_model))
    value = jnp.einsum("d,dhk->hk", block["ln1"]["b"], block["W_V"], precision="float32")
    return jnp.einsum("hk,hkd->hd", value, block["W_O"], precision="float32")


def _folded(block: PyTree) -> PyTree:
    gain, bias = block["ln1"]["w"], block["ln1"]["b"]
    alive = gain != 0
    gain = jnp.where(alive, gain, 1)
    reads = {name: _times(gain, block[name]) for name in ("W_Q", "W_K", "W_V") if name in block}
    found = block | reads | dict(ln1=dict(w=alive.astype(bias.dtype), b=bias / gain))
    if "W_in" in block:
        norm, W_in = block["ln2"], block["W_in"]
        b_in = block["b_in"] + jnp.matmul(norm["b"], W_in, precision="float32")
        found |= dict(W_in=_times(norm["w"], W_in), b_in=b_in, ln2=_plain(norm))
    return found


def _plain(norm: PyTree) -> PyTree:
    return dict(w=jnp.ones_like(norm["w"]), b=jnp.zeros_like(norm["b"]))


def _times(gain: Array, W: Array) -> Array:
    return jnp.einsum("d,d...->d...", gain, W)


def _centred(x: Array) -> Array:
    return x - x.mean(-1, keepdims=True)
