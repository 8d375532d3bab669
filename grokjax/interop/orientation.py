"""Parameters in the orientation of each library, and ours, which `grokjax.model.transformer` documents.

columns: W_E [D, V], W_Q [H, K, D], W_O [D, H K] or [H, D, K], W_in [M, D], W_out [D, M] (Nanda, pizza: W x)
rows: W_E [V, D], W_Q [H, D, K], W_O [H, K, D], W_in [D, M], W_out [M, D] (TransformerLens: x W)
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

Weights = Mapping[str, Any]

BUFFERS = ("mask", "IGNORE", "rotary_sin", "rotary_cos")
"""Last parts of names that are not weights."""
BLOCK = re.compile(r"(?:attn_)?blocks\.(\d+)\.(.+)")
ATTENTION = ("W_Q", "W_K", "W_V", "W_O")
MLP = ("W_in", "b_in", "W_out", "b_out")


class Model(NamedTuple):
    """Parameters as ours and the fields of ModelConfig that their shapes tell."""

    params: dict[str, PyTree]
    fields: dict[str, Any]


def from_columns(weights: Weights) -> Model:
    """The model of weights in the orientation of the released modular addition and pizza code."""
    taken = _Taken(weights)
    blocks = []
    for layer in _layers(weights):
        p = {name: taken(layer, f"attn.{name}", 3).transpose(2, 0, 1) for name in ("W_Q", "W_K", "W_V")}
        out = taken(layer, "attn.W_O", 2, 3)
        _, heads, width = p["W_V"].shape
        if out.ndim == 2 and out.shape[1] != heads * width:
            raise ValueError(f"W_O of shape {out.shape} for {heads} heads of width {width}")
        p["W_O"] = out.transpose(0, 2, 1) if out.ndim == 3 else out.T.reshape(heads, width, len(out))
        if taken.has(layer, "mlp.W_in"):
            p |= {name: taken(layer, f"mlp.{name}", 1 + (name[0] == "W")).T for name in MLP}
        blocks.append(p)
    params = dict(W_E=taken.top("embed.W_E", 2).T, W_pos=taken.top("pos_embed.W_pos", 2), blocks=blocks)
    params["W_U"] = taken.top("unembed.W_U", 2)
    return _model(params, taken)


def from_rows(weights: Weights) -> Model:
    """The model of weights in the orientation of TransformerLens.

    Biases of attention, which no model here has, must be 0; an unembedding bias of 0 is dropped.
    """
    taken = _Taken(weights)
    blocks = []
    for layer in _layers(weights):
        p: dict[str, PyTree] = {
            name: taken(layer, f"attn.{name}", 3).transpose(1, 0, 2) for name in ("W_Q", "W_K", "W_V")
        }
        p["W_O"] = taken(layer, "attn.W_O", 3)
        for name in ("b_Q", "b_K", "b_V", "b_O"):
            if taken.has(layer, f"attn.{name}") and np.any(taken(layer, f"attn.{name}", 1, 2)):
                raise ValueError(
                    f"an attention bias {name} in layer {layer}, which grokjax's models do not have"
                )
        if taken.has(layer, "mlp.W_in"):
            p |= {name: taken(layer, f"mlp.{name}", 1 + (name[0] == "W")) for name in MLP}
        for name in ("ln1", "ln2"):
            if taken.has(layer, f"{name}.w"):
                p[name] = {part: taken(layer, f"{name}.{part}", 1) for part in "wb"}
        blocks.append(p)
    params = dict(W_E=taken.top("embed.W_E", 2), W_pos=taken.top("pos_embed.W_pos", 2), blocks=blocks)
    if "ln_final.w" in weights:
        params["ln_final"] = {part: taken.top(f"ln_final.{part}", 1) for part in "wb"}
    params["W_U"] = taken.top("unembed.W_U", 2)
    if "unembed.b_U" in weights and np.any(bias := taken.top("unembed.b_U", 1)):
        params["b_U"] = bias
    return _model(params, taken)


def to_rows(params: PyTree) -> dict[str, np.ndarray]:
    """The weights by the names and in the orientation of TransformerLens 2 and 3, with its biases of 0."""
    get = lambda x: np.asarray(x, np.float32, order="C")
    found = {"embed.W_E": get(params["W_E"]), "pos_embed.W_pos": get(params["W_pos"])}
    for layer, p in enumerate(params["blocks"]):
        at = f"blocks.{layer}."
        D, H, K = np.shape(p["W_V"])
        for name in ("W_Q", "W_K", "W_V"):
            found[f"{at}attn.{name}"] = get(np.transpose(p[name], (1, 0, 2)))
            found[f"{at}attn.b_{name[-1]}"] = np.zeros((H, K), np.float32)
        found[f"{at}attn.W_O"], found[f"{at}attn.b_O"] = get(p["W_O"]), np.zeros(D, np.float32)
        found |= {f"{at}mlp.{name}": get(p[name]) for name in MLP if name in p}
        found |= {
            f"{at}{name}.{part}": get(p[name][part]) for name in ("ln1", "ln2") if name in p for part in "wb"
        }
    if "ln_final" in params:
        found |= {f"ln_final.{part}": get(params["ln_final"][part]) for part in "wb"}
    found["unembed.W_U"] = get(params["W_U"])
    bias = params.get("b_U")
    found["unembed.b_U"] = np.zeros(found["unembed.W_U"].shape[1], np.float32) if bias is None else get(bias)
    return found


class _Taken:
    """Gives weights by name as float32, checks their number of axes, and knows which were never asked for."""

    def __init__(self, weights: Weights):
        self.weights = weights
        self.left = {name for name in weights if name.split(".")[-1] not in BUFFERS}
        self.prefix = "attn_blocks" if any(name.startswith("attn_blocks.") for name in weights) else "blocks"

    def has(self, layer: int, name: str) -> bool:
        return f"{self.prefix}.{layer}.{name}" in self.weights

    def __call__(self, layer: int, name: str, *axes: int) -> np.ndarray:
        return self.top(f"{self.prefix}.{layer}.{name}", *axes)

    def top(self, name: str, *axes: int) -> np.ndarray:
        if name not in self.weights:
            raise ValueError(f"no weight {name!r} among {', '.join(sorted(self.weights)[:12])}")
        array = np.asarray(self.weights[name])
        if array.ndim not in axes:
            raise ValueError(f"{name!r} of shape {array.shape}, not of {' or '.join(map(str, axes))} axes")
        self.left.discard(name)
        return array.astype(np.float32)


def _layers(weights: Iterable[str]) -> range:
    """The numbers of the layers; they must be 0, 1, ... without a gap."""
    found = {int(match[1]) for name in weights if (match := BLOCK.fullmatch(name))}
    if not found or found != set(range(len(found))):
        raise ValueError(f"no layers blocks.0, blocks.1, ... (found {sorted(found)[:8]})")
    return range(len(found))


def _model(params: dict[str, PyTree], taken: _Taken) -> Model:
    """The model, where every weight is used and all shapes agree."""
    # released group models store the embedding twice more
    left = sorted(taken.left - {"x_embed", "y_embed"})
    if left:
        raise ValueError(f"weights that no transformer here has: {', '.join(left[:8])}")
    D, H, K = params["blocks"][0]["W_V"].shape
    first = params["blocks"][0]
    mlp, norm = "W_in" in first, "ln1" in first
    M = first["W_in"].shape[1] if mlp else None
    expected: dict[str, tuple] = dict(W_Q=(D, H, K), W_K=(D, H, K), W_V=(D, H, K), W_O=(H, K, D))
    expected |= dict(W_in=(D, M), b_in=(M,), W_out=(M, D), b_out=(D,)) if mlp else {}
    for layer, p in enumerate(params["blocks"]):
        shapes = {name: x.shape for name, x in p.items() if not name.startswith("ln")}
        if shapes != expected or ("ln1" in p) != norm or ("ln2" in p) != (norm and mlp):
            raise ValueError(f"a layer {layer} of shapes {shapes}, where {expected} were expected")
    sizes = {name: params[name].shape[-1 if name != "W_U" else 0] for name in ("W_E", "W_pos", "W_U")}
    if set(sizes.values()) != {D} or ("ln_final" in params) != norm:
        raise ValueError(
            f"embeddings of widths {sizes} and blocks of width {D}, or layer norms in part of them"
        )
    fields = dict(
        num_layers=len(params["blocks"]),
        d_model=D,
        num_heads=H,
        d_head=None if H * K == D else K,
        d_mlp=None if M in (None, 4 * D) else M,
        mlp=mlp,
        layer_norm=norm,
        unembed_bias="b_U" in params,
    )
    return Model(params, fields)
