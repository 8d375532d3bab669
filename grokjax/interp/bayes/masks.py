"""Which entries of the parameters move: masks for learning coefficients restricted to a part of the model."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from grokjax.trees import named_leaves


def of(params: PyTree, parts: Mapping[str, Any]) -> PyTree:
    """Returns a tree like the parameters, True at the entries of the named parts.

    parts: an index for each name, `{"blocks.0.W_O": 2, "W_E": ...}`; `...` takes everything, any index of
      numpy a slice. A name stands for a tensor or, as "blocks.0", for every tensor beneath it.
    Raises ValueError for a name that the parameters do not have.
    """
    names = list(named_leaves(params))
    masks = {name: np.zeros(np.shape(leaf), bool) for name, leaf in named_leaves(params).items()}
    for part, index in parts.items():
        meant = [name for name in names if name == part or name.startswith(f"{part}.")]
        if not meant:
            raise ValueError(f"the parameters have no {part!r}; they have {', '.join(names)}")
        for name in meant:
            masks[name][index] = True
    return jax.tree.unflatten(jax.tree.structure(params), [jnp.asarray(masks[name]) for name in names])


def components(params: PyTree) -> dict[str, PyTree]:
    """Returns the mask of every embedding, head, MLP and of the unembedding of a transformer, by name.

    The names are those of the tensors (W_E, W_pos, W_U), "blocks.0.head.2" and "blocks.0.mlp".
    """
    found: dict[str, dict[str, Any]] = {name: {name: ...} for name in ("W_E", "W_pos") if name in params}
    for layer, block in enumerate(params["blocks"]):
        at = f"blocks.{layer}"
        for head in range(len(block["W_O"])):
            place: dict[str, Any] = {"W_Q": np.s_[:, head], "W_K": np.s_[:, head], "W_V": np.s_[:, head]}
            place |= {"W_O": head, "attn_logits": head}
            found[f"{at}.head.{head}"] = {
                f"{at}.{name}": index for name, index in place.items() if name in block
            }
        if "W_in" in block:
            found[f"{at}.mlp"] = {f"{at}.{name}": ... for name in ("W_in", "b_in", "W_out", "b_out")}
    found["W_U"] = {name: ... for name in ("W_U", "b_U") if name in params}
    return {name: of(params, parts) for name, parts in found.items()}


def size(mask: PyTree) -> int:
    """Returns the number of entries that move."""
    return int(sum(np.asarray(leaf).sum() for leaf in jax.tree.leaves(mask)))
