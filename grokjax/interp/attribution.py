"""Direct logit attribution: the residual stream in parts, and what each part adds directly to the logits.

Parts are stacked on a first axis N, in the order and under the names of TransformerLens
(`accumulated_labels`, `decompose_labels`, `full_labels`). `cache` is that of `run.run_with_cache`.
"Directly" means: apart from what later layers make of a part.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from grokjax import objective
from grokjax.interp import circuits
from grokjax.model import positions
from grokjax.run import Cache, Run
from grokjax.tasks.protocol import symbols_per_answer


def accumulated_resid(run: Run, cache: Cache, *, incl_mid: bool = False) -> Float[Array, "N B P D"]:
    """Returns the residual stream before each layer and after the last; `incl_mid`: before each MLP too."""
    places = [f"blocks.{layer}.resid_{place}" for layer, place in _streams(run, incl_mid)]
    return jnp.stack([cache[name] for name in (*places, f"blocks.{run.config.num_layers - 1}.resid_post")])


def accumulated_labels(run: Run, *, incl_mid: bool = False) -> tuple[str, ...]:
    """Returns the names of the parts of `accumulated_resid`."""
    return (*(f"{layer}_{place}" for layer, place in _streams(run, incl_mid)), "final_post")


def decompose_resid(run: Run, cache: Cache) -> Float[Array, "N B P D"]:
    """Returns what each embedding, attention layer and MLP adds; the sum is the last residual stream."""
    layers = [f"blocks.{layer}.{kind}" for layer in range(run.config.num_layers) for kind in _kinds(run)]
    return jnp.stack([cache[name] for name in (*_embeddings(run), *layers)])


def decompose_labels(run: Run) -> tuple[str, ...]:
    """Returns the names of the parts of `decompose_resid`."""
    layers = [f"{layer}_{kind}" for layer in range(run.config.num_layers) for kind in _kinds(run)]
    return (*_embeddings(run), *layers)


def full_decomposition(run: Run, cache: Cache) -> Float[Array, "N B P D"]:
    """Returns what each head, MLP (with its bias) and embedding adds; the sum is the last residual stream."""
    layers = range(run.config.num_layers)
    heads = [jnp.moveaxis(cache[f"blocks.{layer}.attn.result"], -2, 0) for layer in layers]
    mlps = [f"blocks.{layer}.mlp_out" for layer in layers if run.config.mlp]
    return jnp.concatenate([*heads, jnp.stack([cache[name] for name in (*mlps, *_embeddings(run))])])


def full_labels(run: Run) -> tuple[str, ...]:
    """Returns the names of the parts of `full_decomposition`."""
    layers = range(run.config.num_layers)
    heads = [f"L{layer}H{head}" for layer in layers for head in range(run.config.num_heads)]
    return (*heads, *(f"{layer}_mlp_out" for layer in layers if run.config.mlp), *_embeddings(run))


def neuron_results(run: Run, cache: Cache, layer: int = 0) -> Float[Array, "M B P D"]:
    """Returns what each neuron of a layer adds to the stream, M times as large as the stream.

    The neurons and b_out sum to the layer's `mlp_out`.
    """
    W_out = run.params["blocks"][layer]["W_out"]
    return jnp.einsum("bpm,md->mbpd", cache[f"blocks.{layer}.mlp.post"], W_out, precision="float32")


def through_ln(run: Run, cache: Cache, parts: Float[Array, "N B P D"]) -> Float[Array, "N B P D"]:
    """Returns the parts as W_U reads them; unchanged where there is no layer norm.

    They are centred, divided by the scale that the whole stream has there, and multiplied by the gain of
    ln_final. That is linear in the parts, since the scale is held. The bias belongs to no part: see
    `bias_logits`.
    """
    if not run.config.layer_norm:
        return parts
    return (parts - parts.mean(-1, keepdims=True)) / cache["ln_final.scale"] * run.params["ln_final"]["w"]


def bias_logits(run: Run) -> Float[Array, " V"]:
    """Returns the logits that no part of the stream makes: b_U, and the bias of ln_final through W_U."""
    bias = run.params.get("b_U", jnp.zeros(run.config.num_outputs))
    if not run.config.layer_norm:
        return bias
    return bias + jnp.einsum("d,dv->v", run.params["ln_final"]["b"], run.params["W_U"], precision="float32")


def logits_of_parts(run: Run, cache: Cache, parts: Float[Array, "N B P D"]) -> Float[Array, "N B P V"]:
    """Returns what each part adds to every logit.

    The sum over a whole decomposition, plus `bias_logits`, is the logits of the run.
    """
    return jnp.einsum("nbpd,dv->nbpv", through_ln(run, cache, parts), run.params["W_U"], precision="float32")


def logit_attrs(
    run: Run,
    cache: Cache,
    parts: Float[Array, "N B P D"],
    correct: Int[Array, "B P"],
    incorrect: Int[Array, "B P"] | None = None,
) -> Float[Array, "N B P"]:
    """Returns what each part adds to the logit of the correct symbol at each place.

    With `incorrect`: what it adds to the difference between the logits of the two symbols.
    """
    outward = run.params["W_U"].T
    direction = outward[correct] - (0.0 if incorrect is None else outward[incorrect])
    return jnp.einsum("nbpd,bpd->nbp", through_ln(run, cache, parts), direction, precision="float32")


def components(run: Run, batch: Any) -> Float[Array, "N B C"]:
    """Returns what each part of `full_labels`, and last the bias, adds to the logit of each right answer.

    It is counted over the mean of all symbols' logits: a shift of all logits changes no prediction. The parts
    sum to the same measure of the run's own logits.
    """
    cache = run.cache(batch.tokens)
    read = through_ln(run, cache, full_decomposition(run, cache))[:, :, jnp.asarray(run.task.read)]
    logits = jnp.einsum("nbrd,dv->nbrv", read, run.params["W_U"], precision="float32")
    bias = jnp.broadcast_to(bias_logits(run), logits.shape[1:])
    every = jnp.concatenate([logits, bias[None]])
    return jax.vmap(lambda one: _over_mean(run, one, batch.labels))(every)


def neurons(run: Run, batch: Any, layer: int = 0) -> Float[Array, "M B C"]:
    """Returns `components` for each neuron of a layer; b_out belongs to none of them."""
    return _by_neuron(run, batch, layer, lambda added: added)


def neurons_by_symbol(run: Run, batch: Any, layer: int = 0) -> Float[Array, "M C V"]:
    """Returns the mean of `neurons` over the examples whose right answer is the symbol v, 0 without any.

    It shows which digits a neuron speaks for.
    """
    is_right = jax.nn.one_hot(batch.labels, symbols_per_answer(run.task))
    shares = is_right / jnp.maximum(is_right.sum(0), 1)
    return _by_neuron(run, batch, layer, lambda added: jnp.einsum("bc,bcv->cv", added, shares))


def _by_neuron(run, batch, layer, reduce):
    """One neuron after another: memory for one."""
    cache, read = run.cache(batch.tokens), jnp.asarray(run.task.read)
    post = cache[f"blocks.{layer}.mlp.post"] / (cache["ln_final.scale"] if run.config.layer_norm else 1)
    units = jnp.moveaxis(post[:, read], -1, 0), circuits.mlp_out(run, layer)
    added = lambda activation, outward: _over_mean(run, activation[..., None] * outward, batch.labels)
    return jax.lax.map(lambda unit: reduce(added(*unit)), units)


def _over_mean(run, logits, labels):
    """The right symbol's logit less the mean of all, for each answer."""
    by_answer = objective.by_answer(run.task, logits)
    return jnp.take_along_axis(by_answer, labels[..., None], -1)[..., 0] - by_answer.mean(-1)


def _streams(run, incl_mid):
    kinds = ("pre", "mid")[: 1 + (incl_mid and run.config.mlp)]
    return [(layer, kind) for layer in range(run.config.num_layers) for kind in kinds]


def _kinds(run):
    return ("attn_out", "mlp_out")[: 1 + run.config.mlp]


def _embeddings(run):
    return ("embed", "pos_embed")[: 1 + (run.config.positions in positions.ADDED)]
