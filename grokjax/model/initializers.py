"""Initial parameters: a plan of named tensors, and one vector of draws cut into them (one draw compiles much
faster than one each).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float, Key, PyTree

from grokjax.config import TENSORS, Hyper, ModelConfig

FIRE_WIDTH = 32


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor to be: random with standard deviation 1/sqrt(width) where `width` is given, else constant."""

    shape: tuple[int, ...]
    name: str = ""
    width: int = 0
    constant: float = 0.0

    @property
    def num_draws(self) -> int:
        """How many random numbers it takes."""
        return int(np.prod(self.shape)) if self.width else 0


def plan(config: ModelConfig) -> PyTree:
    """The nested dict of parameters that transformer.forward reads, as a tree of Tensor.

    Weights have width d_model, W_U the number of outputs; biases are 0 (the released code of the
    progress-measures paper).
    """
    c, D = config, config.d_model
    weight = lambda name, *shape, width=D: Tensor(shape, name, width)
    params: dict[str, PyTree] = dict(W_E=weight("W_E", c.vocabulary, D))
    if c.positions == "learned":
        params["W_pos"] = weight("W_pos", c.num_positions, D)
    elif c.positions == "abacus":
        params["W_pos"] = weight("W_pos", c.num_positions + c.max_offset + 2, D)
    params["blocks"] = [block(c) for _ in range(c.num_layers)]
    if c.layer_norm:
        params["ln_final"] = norm(c)
    params["W_U"] = weight("W_U", D, c.num_outputs, width=c.num_outputs)
    if c.unembed_bias:
        params["b_U"] = Tensor((c.num_outputs,))
    return params


def block(config: ModelConfig) -> dict[str, PyTree]:
    """The tensors of one block."""
    c, D, H, K, M = config, config.d_model, config.num_heads, config.head_width, config.mlp_width
    weight = lambda name, *shape: Tensor(shape, name, D)
    p: dict[str, PyTree] = dict(W_V=weight("W_V", D, H, K), W_O=weight("W_O", H, K, D))
    if c.attention == "live":
        p |= dict(W_Q=weight("W_Q", D, H, K), W_K=weight("W_K", D, H, K))
    elif c.attention == "positional":
        p["attn_logits"] = Tensor((H, c.num_positions, c.num_positions))
    if c.positions == "fire" and c.attention == "live":
        p["fire"] = dict(
            w1=Tensor((FIRE_WIDTH,), width=1),
            b1=Tensor((FIRE_WIDTH,)),
            c=Tensor((), constant=0.1),
            threshold=Tensor((), constant=1.0),
            w2=Tensor((FIRE_WIDTH, H), width=FIRE_WIDTH),
            b2=Tensor((H,)),
        )
    if c.mlp:
        p |= dict(
            W_in=weight("W_in", D, M), b_in=Tensor((M,)), W_out=weight("W_out", M, D), b_out=Tensor((D,))
        )
    if c.layer_norm:
        p |= {name: norm(c) for name in (("ln1", "ln2") if c.mlp else ("ln1",))}
    return p


def norm(config: ModelConfig) -> dict[str, PyTree]:
    """The gain and the bias of a layer norm."""
    return dict(w=Tensor((config.d_model,), constant=1.0), b=Tensor((config.d_model,)))


def unit(config: ModelConfig, key: Key[Array, ""], size: int) -> Float[Array, " size"]:
    """Draws of mean 0 and variance 1, normal or uniform."""
    if config.init == "uniform":
        return random.uniform(key, (size,), minval=-np.sqrt(3), maxval=np.sqrt(3))
    return random.normal(key, (size,))


def init(config: ModelConfig, key: Key[Array, ""], hyper: Hyper | None = None) -> PyTree:
    """Initial parameters: `plan`, scaled by `hyper.init_scale` and `hyper.scale_NAME` (None: not at all)."""
    hyper = Hyper() if hyper is None else hyper
    tensors, structure = jax.tree.flatten(plan(config))
    ends = np.cumsum([tensor.num_draws for tensor in tensors])
    draws = unit(config, key, int(ends[-1]))

    def filled(tensor: Tensor, end: int) -> Array:
        if not tensor.width:
            return jnp.full(tensor.shape, tensor.constant, jnp.float32)
        scale = (
            hyper.init_scale
            * (getattr(hyper, f"scale_{tensor.name}") if tensor.name in TENSORS else 1.0)
            / np.sqrt(tensor.width)
        )
        return draws[end - tensor.num_draws : end].reshape(tensor.shape) * jnp.asarray(scale, jnp.float32)

    return jax.tree.unflatten(
        structure, [filled(tensor, int(end)) for tensor, end in zip(tensors, ends, strict=True)]
    )


def shapes(config: ModelConfig) -> PyTree:
    """The parameters as shapes and types; nothing is computed."""
    return jax.tree.map(lambda tensor: jax.ShapeDtypeStruct(tensor.shape, jnp.float32), plan(config))
