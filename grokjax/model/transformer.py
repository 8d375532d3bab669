"""The transformer: `forward(config, params, tokens, *, read, tap) -> logits`, plain functions over a nested
dict.

Parameters: W_E [V, D], W_pos [P, D] (learned and abacus positions), W_U [D, V_out], b_U, ln_final; blocks, a
  list of
  W_Q W_K W_V [D, H, K], W_O [H, K, D], W_in [D, M], b_in [M], W_out [M, D], b_out [D]; attn_logits [H, P, P]
  (positional attention); fire (FIRE); ln1 ln2 with w b [D] (layer norm). What a config does not use is not
  there.

Activations, by the names of TransformerLens without `hook_`; l is the layer, B any leading axes of the
tokens:
  embed, pos_embed                                   [B, P, D]      pos_embed where the encoding is added
  blocks.l.resid_pre, resid_mid, resid_post          [B, P, D]      resid_mid, ln2 and mlp only with an MLP
  blocks.l.ln1.scale, ln2.scale                      [B, P, 1]      with layer norm: what it divides by
  blocks.l.ln1.normalized, ln2.normalized            [B, P, D]      with layer norm: after gain and bias
  blocks.l.attn.q, k, v, z                           [B, P, H, K]   q, k only with live attention; before RoPE
  blocks.l.attn.attn_scores                          [B, H, q, p]   live attention
  blocks.l.attn.pattern                              [B, H, q, p]
  blocks.l.attn.result                               [B, P, H, D]   what each head adds to the residual stream
  blocks.l.attn_out, mlp_out                         [B, P, D]
  blocks.l.mlp.pre, post                             [B, P, M]
  ln_final.scale                                     [B, P, 1]      with layer norm
  ln_final.normalized                                [B, P, D]      with layer norm
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from grokjax.config import ModelConfig
from grokjax.model import attention, positions
from grokjax.model.activations import ACTIVATION
from grokjax.tap import Tap, prefixed, untouched


def forward(
    config: ModelConfig,
    params: PyTree,
    tokens: Int[Array, "B P"],
    *,
    read: Sequence[int] | None = None,
    tap: Tap | None = None,
    attention_rate: Array | float = 1.0,
    offset: Array | int = 0,
) -> Float[Array, "B R V"]:
    """Logits at the positions `read` (None: all).

    With a tap the plain program runs: every activation at every position. Without one only what feeds the
      logits is computed: the first block projects the small (token, position) tables, the last keeps only the
      rows that are read, and W_out is folded into W_U. `attention_rate` mixes the pattern with ones; `offset`
      shifts the places of abacus.
    """
    require_tokens(config, tokens)
    fast, tap = tap is None, tap or untouched
    place = np.arange(tokens.shape[-1])
    rows = place if read is None else np.asarray(read)
    resid = embed(config, params, tokens, offset, tap)
    last = config.num_layers - 1
    for layer, p in enumerate(params["blocks"]):
        t = prefixed(tap, f"blocks.{layer}")
        kept = rows if fast and layer == last else place
        tabled = fast and layer == 0 and not config.layer_norm
        x = t("resid_pre", resid)
        project = (
            table_projection(config, params, tokens, offset) if tabled else normalized(config, p, "ln1", x, t)
        )
        resid = at(x, kept, -2) + attend(config, p, project, (kept, place), attention_rate, t)
        if not config.mlp:
            resid = t("resid_post", resid)
        elif fast and layer == last and not config.layer_norm:
            return folded(config, p, params, resid)
        else:
            resid = t("resid_mid", resid)
            resid = t("resid_post", resid + mlp(config, p, normalized(config, p, "ln2", resid, t), t))
    resid = resid if fast else at(resid, rows, -2)
    return unembed(config, params, resid, tap)


def require_tokens(config: ModelConfig, tokens: Int[Array, "B P"]) -> None:
    """Raises ValueError for another number of positions, and for ids outside the vocabulary.

    JAX would read the last row of a table instead. Inside `jit` ids are not known, and not checked.
    """
    shape = jnp.shape(tokens)
    if not shape or shape[-1] != config.num_positions:
        raise ValueError(
            f"tokens have shape {shape}, but the config has num_positions={config.num_positions}: "
            "it must be the last axis"
        )
    if isinstance(tokens, jax.core.Tracer) or not np.size(tokens):
        return
    ids = np.asarray(tokens)
    if (bad := ids[(ids < 0) | (ids >= config.vocabulary)]).size:
        raise ValueError(
            f"token {bad.flat[0]} is outside the vocabulary: ids are 0 … {config.vocabulary - 1}"
        )


def at(x: Array, rows: np.ndarray, axis: int) -> Array:
    """x at the given positions of an axis; a slice where they are consecutive, since a gather is slower."""
    if len(rows) and (np.diff(rows) == 1).all():
        return jax.lax.slice_in_dim(x, int(rows[0]), int(rows[-1]) + 1, axis=axis % x.ndim)
    return jnp.take(x, rows, axis)


def embed(
    config: ModelConfig, params: PyTree, tokens: Array, offset: Array | int, tap: Tap
) -> Float[Array, "B P D"]:
    """Token embeddings and, where the encoding is added, those of positions."""
    x = tap("embed", params["W_E"][tokens])
    if (table := positions.table(config, params)) is None:
        return x
    rows = table[positions.index(config, tokens, offset)]
    return x + tap("pos_embed", jnp.broadcast_to(rows, x.shape))


def table_projection(
    config: ModelConfig, params: PyTree, tokens: Array, offset: Array | int
) -> Callable[[Array], Array]:
    """`W -> x @ W` for x = W_E[tokens] + positions, through the small tables: exact, since it is linear."""
    table, index = positions.table(config, params), positions.index(config, tokens, offset)
    vocabulary, width = params["W_E"].shape

    def project(W: Array) -> Array:
        by_token = jnp.tensordot(params["W_E"], W, 1)
        # for a tiny vocabulary the transposed gather (a scatter) of the backward pass costs more than a
        # one-hot product
        few = 4 * vocabulary < width
        looked_up = (
            jnp.tensordot(jax.nn.one_hot(tokens, vocabulary), by_token, 1) if few else by_token[tokens]
        )
        return looked_up if table is None else looked_up + jnp.tensordot(table, W, 1)[index]

    return project


def normalized(config: ModelConfig, p: PyTree, name: str, x: Array, tap: Tap) -> Callable[[Array], Array]:
    """`W -> layer_norm(x) @ W`, or `x @ W` where layer norm is off."""
    x = layer_norm(p[name], x, prefixed(tap, name)) if config.layer_norm else x
    return lambda W: jnp.tensordot(x, W, 1)


def layer_norm(p: PyTree, x: Float[Array, "... D"], tap: Tap) -> Float[Array, "... D"]:
    """Mean 0 and variance 1 over the width, then the gain and the bias."""
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True) + 1e-5
    if tap is untouched:  # one product, as in training: dividing by the root rounds otherwise
        return centred * jax.lax.rsqrt(variance) * p["w"] + p["b"]
    # as in TransformerLens 2; its version 3 has `normalized` before the gain and the bias
    return tap("normalized", centred / tap("scale", jnp.sqrt(variance)) * p["w"] + p["b"])


def attend(
    config: ModelConfig,
    p: PyTree,
    project: Callable[[Array], Array],
    place: tuple[np.ndarray, np.ndarray],
    rate: Array | float,
    tap: Tap,
) -> Float[Array, "B q D"]:
    """What attention adds at the query positions `place[0]`, reading the key positions `place[1]`."""
    t = prefixed(tap, "attn")
    if config.attention == "live":
        q, k = t("q", at(project(p["W_Q"]), place[0], -3)), t("k", project(p["W_K"]))
        pattern = jax.nn.softmax(t("attn_scores", attention.scores(config, p, q, k, place)))
    v = t("v", project(p["W_V"]))
    if config.attention != "live":
        frozen = attention.frozen_pattern(config, p, *place)
        pattern = jnp.broadcast_to(frozen, (*v.shape[:-3], *frozen.shape))
    pattern = t("pattern", attention.mixed(pattern, attention.visible(config, *place), rate))
    z = t("z", jnp.einsum("...hqp,...phk->...qhk", pattern, v))
    if tap is untouched:
        return jnp.einsum("...qhk,hkd->...qd", z, p["W_O"])
    return tap("attn_out", t("result", jnp.einsum("...qhk,hkd->...qhd", z, p["W_O"])).sum(-2))


def mlp(config: ModelConfig, p: PyTree, project: Callable[[Array], Array], tap: Tap) -> Float[Array, "B P D"]:
    """What the MLP adds."""
    post = tap("mlp.post", ACTIVATION[config.activation](tap("mlp.pre", project(p["W_in"]) + p["b_in"])))
    return tap("mlp_out", post @ p["W_out"] + p["b_out"])


def folded(
    config: ModelConfig, p: PyTree, params: PyTree, mid: Float[Array, "B R D"]
) -> Float[Array, "B R V"]:
    """Logits after the last MLP: its output is read only through W_U, so W_out @ W_U is formed instead of the
    residual stream.
    """
    post = ACTIVATION[config.activation](mid @ p["W_in"] + p["b_in"])
    return post @ (p["W_out"] @ params["W_U"]) + (mid + p["b_out"]) @ params["W_U"] + params.get("b_U", 0.0)


def unembed(
    config: ModelConfig, params: PyTree, resid: Float[Array, "B R D"], tap: Tap
) -> Float[Array, "B R V"]:
    """Logits of the residual stream."""
    if config.layer_norm:
        resid = layer_norm(params["ln_final"], resid, prefixed(tap, "ln_final"))
    return resid @ params["W_U"] + params.get("b_U", 0.0)
