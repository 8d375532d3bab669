"""Which part of the residual stream says what: the stream in parts, and what each part adds directly to the
logits.

Parts are stacked on a first axis N, in the order and under the names of TransformerLens
(`accumulated_labels`, `decompose_labels`, `full_labels`); `cache` is that of `activations.cached`.
"Directly": apart from what later layers make of a part.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.interp import activations, circuits
from grokjax.interp.activations import Cache
from grokjax.model import positions


def accumulated_resid(
    config: ModelConfig, cache: Cache, *, incl_mid: bool = False
) -> Float[Array, "N B P D"]:
    """The residual stream before each layer, with `incl_mid` also before each MLP, and after the last layer."""
    last = f"blocks.{config.num_layers - 1}.resid_post"
    return jnp.stack(
        [
            *(cache[f"blocks.{layer}.resid_{place}"] for layer, place in _streams(config, incl_mid)),
            cache[last],
        ]
    )


def accumulated_labels(config: ModelConfig, *, incl_mid: bool = False) -> tuple[str, ...]:
    """The names of its parts."""
    return (*(f"{layer}_{place}" for layer, place in _streams(config, incl_mid)), "final_post")


def decompose_resid(config: ModelConfig, cache: Cache) -> Float[Array, "N B P D"]:
    """What each embedding, attention layer and MLP adds; the sum is the last residual stream."""
    layers = [
        cache[f"blocks.{layer}.{kind}"] for layer in range(config.num_layers) for kind in _kinds(config)
    ]
    return jnp.stack([*(cache[name] for name in _embeddings(config)), *layers])


def decompose_labels(config: ModelConfig) -> tuple[str, ...]:
    """The names of its parts."""
    return (
        *_embeddings(config),
        *(f"{layer}_{kind}" for layer in range(config.num_layers) for kind in _kinds(config)),
    )


def full_decomposition(config: ModelConfig, cache: Cache) -> Float[Array, "N B P D"]:
    """What each head, each MLP (with its bias) and each embedding adds; the sum is the last residual stream."""
    layers = range(config.num_layers)
    heads = [jnp.moveaxis(cache[f"blocks.{layer}.attn.result"], -2, 0) for layer in layers]
    mlps = [cache[f"blocks.{layer}.mlp_out"] for layer in layers] if config.mlp else []
    return jnp.concatenate([*heads, jnp.stack([*mlps, *(cache[name] for name in _embeddings(config))])])


def full_labels(config: ModelConfig) -> tuple[str, ...]:
    """The names of its parts."""
    layers = range(config.num_layers)
    heads = [f"L{layer}H{head}" for layer in layers for head in range(config.num_heads)]
    return (*heads, *(f"{layer}_mlp_out" for layer in layers if config.mlp), *_embeddings(config))


def neuron_results(
    config: ModelConfig, params: PyTree, cache: Cache, layer: int = 0
) -> Float[Array, "M B P D"]:
    """What each neuron of a layer adds to the stream; they and b_out sum to its `mlp_out`. M times as large
    as the stream.
    """
    return jnp.einsum("bpm,md->mbpd", cache[f"blocks.{layer}.mlp.post"], params["blocks"][layer]["W_out"])


def through_ln(
    config: ModelConfig, params: PyTree, cache: Cache, parts: Float[Array, "N B P D"]
) -> Float[Array, "N B P D"]:
    """The parts as W_U reads them: centred, divided by the scale that the whole stream has there, times the
    gain of ln_final.

    Linear in the parts, since that scale is held. The bias belongs to no part (`bias_logits`). Unchanged
    where there is no layer norm.
    """
    if not config.layer_norm:
        return parts
    return (parts - parts.mean(-1, keepdims=True)) / _scale(config, cache) * params["ln_final"]["w"]


def bias_logits(config: ModelConfig, params: PyTree) -> Float[Array, " V"]:
    """The logits that no part of the stream makes: b_U, and the bias of ln_final through W_U."""
    with jax.default_matmul_precision("float32"):
        bias = params["ln_final"]["b"] @ params["W_U"] if config.layer_norm else jnp.zeros(config.num_outputs)
    return bias + params.get("b_U", 0.0)


def logits_of_parts(
    config: ModelConfig, params: PyTree, cache: Cache, parts: Float[Array, "N B P D"]
) -> Float[Array, "N B P V"]:
    """What each part adds to every logit; those of a whole decomposition and `bias_logits` sum to the logits."""
    with jax.default_matmul_precision("float32"):
        return through_ln(config, params, cache, parts) @ params["W_U"]


def logit_attrs(
    config: ModelConfig,
    params: PyTree,
    cache: Cache,
    parts: Float[Array, "N B P D"],
    correct: Int[Array, "B P"],
    incorrect: Int[Array, "B P"] | None = None,
) -> Float[Array, "N B P"]:
    """What each part adds to the logit of the correct symbol at each place, or to its difference from that of
    an incorrect one.
    """
    outward = params["W_U"].T
    direction = outward[correct] - (0.0 if incorrect is None else outward[incorrect])
    return jnp.einsum(
        "nbpd,bpd->nbp", through_ln(config, params, cache, parts), direction, precision="float32"
    )


def components(config: ModelConfig, task: Any, params: PyTree, batch: Any) -> Float[Array, "N B C"]:
    """What each part of `full_labels`, and last the bias, adds to the logit of each right answer, over the
    mean of all symbols' logits.

    A shift of all logits changes no prediction, and this does not see it. The parts sum to that of the
    model's logits.
    """
    cache = activations.cached(config, params, batch.tokens)[1]
    logits = logits_of_parts(config, params, cache, full_decomposition(config, cache))[
        :, :, jnp.asarray(task.read)
    ]
    bias = jnp.broadcast_to(bias_logits(config, params), logits.shape[1:])
    return jax.vmap(lambda one: _over_mean(task, one, batch.labels))(jnp.concatenate([logits, bias[None]]))


def neurons(
    config: ModelConfig, task: Any, params: PyTree, batch: Any, layer: int = 0
) -> Float[Array, "M B C"]:
    """The same for each neuron of a layer; b_out belongs to none of them."""
    return _by_neuron(config, task, params, batch, layer, lambda added: added)


def neurons_by_symbol(
    config: ModelConfig, task: Any, params: PyTree, batch: Any, layer: int = 0
) -> Float[Array, "M C V"]:
    """The mean of `neurons` over the examples whose right answer is the symbol v: which digits a neuron
    speaks for; 0 without any.
    """
    is_right = jax.nn.one_hot(batch.labels, config.num_outputs * len(task.read) // len(task.columns))
    shares = is_right / jnp.maximum(is_right.sum(0), 1)
    return _by_neuron(
        config, task, params, batch, layer, lambda added: jnp.einsum("bc,bcv->cv", added, shares)
    )


def _by_neuron(config, task, params, batch, layer, reduce):
    """One neuron after another: memory for one."""
    cache = activations.cached(config, params, batch.tokens)[1]
    post = cache[f"blocks.{layer}.mlp.post"] / (_scale(config, cache) if config.layer_norm else 1)
    units = jnp.moveaxis(post[:, jnp.asarray(task.read)], -1, 0), circuits.mlp_out(config, params, layer)
    return jax.lax.map(
        lambda unit: reduce(_over_mean(task, unit[0][..., None] * unit[1], batch.labels)), units
    )


def _over_mean(task, logits, labels):
    """The right symbol's logit less the mean of all, for each answer."""
    by_answer = objective.by_answer(task, logits)
    return jnp.take_along_axis(by_answer, labels[..., None], -1)[..., 0] - by_answer.mean(-1)


def _scale(config, cache):
    """What the final layer norm divides by, [B, P, 1]."""
    whole = cache[f"blocks.{config.num_layers - 1}.resid_post"]
    return jnp.sqrt(whole.var(-1, keepdims=True) + 1e-5)


def _streams(config, incl_mid):
    return [
        (layer, place)
        for layer in range(config.num_layers)
        for place in ("pre", "mid")[: 1 + (incl_mid and config.mlp)]
    ]


def _kinds(config):
    return ("attn_out", "mlp_out")[: 1 + config.mlp]


def _embeddings(config):
    return ("embed", "pos_embed")[: 1 + (config.positions in positions.ADDED)]
