"""The activations of a run: their names, those along the residual stream, their sizes and their gradients.

`run.cache(tokens, edits)` gives every activation by name. An edit is a function of an activation, under its
name: `{"blocks.0.attn.z": lambda z: z.at[:, :, 2].set(0)}`; `tap.edit_gradient` makes one of a gradient.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from grokjax.model import attention
from grokjax.run import Cache as Cache
from grokjax.run import Edits, Run


def names(run: Run) -> tuple[str, ...]:
    """The names of all activations, in the order in which they are computed."""
    order: list[str] = []

    def watch(name: str, x: Array) -> Array:
        order.append(name)
        return x

    tokens = jax.ShapeDtypeStruct((1, run.config.num_positions), jnp.int32)
    jax.eval_shape(lambda run, tokens: run.forward(tokens, tap=watch), run, tokens)
    return tuple(order)


def stream_names(run: Run) -> tuple[str, ...]:
    """The names along the residual stream: resid_pre, attn_out, resid_mid, mlp_out, resid_post of each layer.

    Without an MLP there is no resid_mid and no mlp_out.
    """
    kinds = ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")
    kept = kinds if run.config.mlp else (kinds[0], kinds[1], kinds[4])
    return tuple(f"blocks.{layer}.{kind}" for layer in range(run.config.num_layers) for kind in kept)


def stacked(
    run: Run,
    tokens: Int[Array, "B P"],
    positions: Sequence[int],
    *,
    at: Sequence[str] | None = None,
    edits: Edits | None = None,
) -> Float[Array, "sites R B D"]:
    """The activations named in `at` (None: all of `stream_names`) at the given positions."""
    at = stream_names(run) if at is None else at
    cache = run.cache(tokens, edits, names=at)
    return jnp.stack([cache[name][:, np.asarray(positions)] for name in at]).swapaxes(1, 2)


def deviations(run: Run, tokens: Int[Array, "B P"]) -> dict[str, Float[Array, ""]]:
    """The standard deviation of each activation over examples, positions and coordinates, by name.

    The names are `embed`, those of `stream_names`, `mlp.pre` and `mlp.post` of each layer, and `logits`.
    """
    neurons = [
        f"blocks.{layer}.mlp.{kind}" for layer in range(run.config.num_layers) for kind in ("pre", "post")
    ]
    kept = ("embed", *stream_names(run), *(neurons if run.config.mlp else ()))
    logits, cache = run.run_with_cache(tokens, names=kept)
    return {name: jnp.std(cache[name]) for name in kept} | {"logits": jnp.std(logits)}


def gradients(
    run: Run,
    tokens: Int[Array, "B P"],
    score: Callable[[Array], Array],
    *,
    at: Sequence[str] | None = None,
    edits: Edits | None = None,
) -> dict[str, Array]:
    """The gradient of `score(logits [B, P, V])`, a scalar, by each activation named in `at` (None: all).

    All come from one backward pass: each is the gradient by a change that is made there, after the edit of
    that activation if it has one, and that travels on through the rest of the model.
    """
    at = names(run) if at is None else at
    shapes = jax.eval_shape(lambda run: run.cache(tokens, names=at), run)
    before = dict(edits or {})

    def scored(changes):
        moved = {
            name: lambda x, name=name, change=change: before.get(name, lambda x: x)(x) + change
            for name, change in changes.items()
        }
        return score(run.run_with_cache(tokens, before | moved)[0])

    return jax.grad(scored)({name: jnp.zeros(shapes[name].shape, shapes[name].dtype) for name in at})


def visible_tokens(run: Run, tokens: Int[Array, "B P"], positions: Sequence[int]) -> Float[Array, "R B PV"]:
    """The tokens that are visible from each position, one-hot, place by place.

    It is all that a linear map of (token, position) embeddings can use.
    """
    hot = jax.nn.one_hot(tokens, run.config.vocabulary)
    seen = _visible(run, tokens, positions)
    return (hot * seen[:, None, :, None]).reshape(len(positions), len(tokens), -1)


def visible_embedding_sum(
    run: Run, tokens: Int[Array, "B P"], positions: Sequence[int]
) -> Float[Array, "R B D"]:
    """The sum of the embeddings that are visible from each position.

    It is what attention that looks everywhere alike would bring.
    """
    stream = run.cache(tokens, names=["blocks.0.resid_pre"])["blocks.0.resid_pre"]
    return jnp.einsum("rp,bpd->rbd", _visible(run, tokens, positions), stream, precision="float32")


def _visible(run, tokens, positions):
    return attention.visible(run.config, np.asarray(positions), np.arange(tokens.shape[1])).astype(np.float32)
