"""What a run answers when only some places are read: the rest carries another example's tokens (resample
ablation of everything else).

Of one layer. Every answer has places that it may read: from those attention brings the values of its own
example, from all others those of `source`, by the weights of its own example's pattern. So it is a path that
is cut, from the tokens there through the values into the place where the answer is read, and not a whole
activation.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree

from grokjax import objective
from grokjax.config import ModelConfig
from grokjax.interp import activations


def logits(
    config: ModelConfig,
    task: Any,
    params: PyTree,
    tokens: Int[Array, "B P"],
    source: Int[Array, "B P"],
    kept: Bool[Array, "C P"],
    own_token: Bool[Array, " C"],
) -> Float[Array, "B C V"]:
    """Logits of every answer when it reads the places `kept` from `tokens` and the others from `source`.

    own_token: whether the token at the place of reading itself, which needs no attention, is its own. In
      single and parallel mode all answers have one place, and `kept` one row. ValueError for more layers than
      one or a layer norm.
    """
    if config.num_layers != 1 or config.layer_norm:
        raise ValueError(
            f"num_layers={config.num_layers}, layer_norm={config.layer_norm}: paths are separate in one layer without it"
        )
    ours, theirs = (activations.cached(config, params, x)[1] for x in (tokens, source))
    read, p = jnp.asarray(task.read), params["blocks"][0]
    pattern = ours["blocks.0.attn.pattern"][:, :, read]
    own, other = (jnp.where(mine, pattern, 0) for mine in (kept, ~kept))
    z = sum(
        jnp.einsum("bhcp,bphk->bchk", weights, cache["blocks.0.attn.v"], precision="float32")
        for weights, cache in ((own, ours), (other, theirs))
    )
    before, swapped = (cache["blocks.0.resid_pre"][:, read] for cache in (ours, theirs))
    mid = jnp.where(own_token[:, None], before, swapped) + jnp.einsum(
        "bchk,hkd->bcd", z, p["W_O"], precision="float32"
    )
    edit = {"blocks.0.resid_mid" if config.mlp else "blocks.0.resid_post": lambda x: x.at[:, read].set(mid)}
    return objective.by_answer(task, activations.cached(config, params, tokens, edit)[0][:, read])
