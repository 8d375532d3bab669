"""The released models without attention, as `EmbeddingMLP`: weights by their authors' names."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from grokjax.interop import settings
from grokjax.interop.embedding_mlp import EmbeddingMLP


def pizza(found: dict[str, Any], weights: dict[str, Any], task: Any, hyper: dict) -> EmbeddingMLP:
    """The models of the pizza paper without attention: embeddings summed (A, B, C, X) or side by side (D)."""
    kind = found["model_type"]
    if kind not in ("A", "B", "C", "D", "X"):
        raise ValueError(f"model_type={kind!r} must be one of A, B, C, D, X")
    tables = ("embed1.weight", "embed2.weight") if kind == "X" else ("embed.weight",)
    layers = ["l1"] + ["l2"] * (kind in "BC")
    names = {
        *tables,
        "unembed.weight",
        *(f"{layer}.{part}" for layer in layers for part in ("weight", "bias")),
    }
    _require(names, weights)
    W_E = weights[tables[0]] if len(tables) == 1 else np.stack([weights[name] for name in tables])
    hidden = [dict(W=weights[f"{layer}.weight"].T, b=weights[f"{layer}.bias"]) for layer in layers]
    if kind == "C":
        # l1 is applied to each embedding before the sum, so its bias counts twice
        hidden[0]["b"] = 2 * hidden[0]["b"]
    params = on_device(dict(W_E=W_E, hidden=hidden, W_U=weights["unembed.weight"].T))
    return fitting(
        EmbeddingMLP(task, "concatenate" if kind == "D" else "sum", params, settings.typed(**hyper))
    )


def linearformer(
    weights: dict[str, Any], modulus: int, operation: str, activation: str, hyper: dict, task: Any
) -> EmbeddingMLP:
    """The pizza paper's transformer with attention left out: embeddings side by side, then square layers."""
    layers = sum(name.endswith(".W_in") for name in weights)
    names = {
        "embed.W_E",
        "unembed.W_U",
        *(f"blocks.{i}.{part}" for i in range(layers) for part in ("W_in", "b_in")),
    }
    _require(names, weights)
    hidden = [dict(W=weights[f"blocks.{i}.W_in"].T, b=weights[f"blocks.{i}.b_in"]) for i in range(layers)]
    width, vocabulary = weights["embed.W_E"].shape
    positions = len(hidden[0]["W"]) // width
    hidden[0]["W"] = hidden[0]["W"][: positions * width]  # what is left of the width was padded with 0
    sizes = dict(vocabulary=vocabulary, num_positions=positions, num_outputs=weights["unembed.W_U"].shape[1])
    params = on_device(dict(W_E=weights["embed.W_E"].T, hidden=hidden, W_U=weights["unembed.W_U"]))
    task = task or settings.modular(modulus, sizes, operation)
    return fitting(EmbeddingMLP(task, "concatenate", params, settings.typed(**hyper), activation))


def group(weights: dict[str, Any], task: Any, hyper: dict) -> EmbeddingMLP:
    """The group models without attention: embeddings side by side and one layer, or their product."""
    _require({"W_x", "W_y", "W_U", *({"W"} & set(weights))}, weights)
    hidden = [dict(W=weights["W"], b=np.zeros(weights["W"].shape[1], np.float32))] if "W" in weights else []
    params = dict(W_E=np.stack([weights["W_x"], weights["W_y"]]), hidden=hidden, W_U=weights["W_U"])
    combine = "concatenate" if hidden else "product"
    return fitting(EmbeddingMLP(task, combine, on_device(params), settings.typed(**hyper)))


def fitting(run: EmbeddingMLP) -> EmbeddingMLP:
    """The model, refused where its weights do not fit each other or its task."""
    params, task = run.params, run.task
    width = params["W_E"].shape[-1] * (task.num_positions if run.combine == "concatenate" else 1)
    wanted: dict[str, tuple] = {"W_E": (task.vocabulary, params["W_E"].shape[-1])}
    found: dict[str, tuple] = {"W_E": params["W_E"].shape[-2:]}
    for layer, p in enumerate(params["hidden"]):
        found[f"hidden layer {layer}"] = p["W"].shape + p["b"].shape
        wanted[f"hidden layer {layer}"] = (width, p["W"].shape[1], p["W"].shape[1])
        width = p["W"].shape[1]
    found["W_U"], wanted["W_U"] = params["W_U"].shape, (width, task.num_outputs)
    for name, shape in found.items():
        if shape != wanted[name]:
            raise ValueError(
                f"{name} of shapes {shape}, where {task!r} and the other weights ask for {wanted[name]}"
            )
    return run


def _require(names: set[str], weights: dict[str, Any]) -> None:
    found = set(weights) - {"x_embed", "y_embed"}
    if found != names:
        raise ValueError(
            f"weights {', '.join(sorted(found)[:12])}, where {', '.join(sorted(names))} were expected"
        )


def on_device(params: Any) -> Any:
    """Nested dicts and lists of arrays, as JAX's."""
    return jax.tree.map(jnp.asarray, params)
