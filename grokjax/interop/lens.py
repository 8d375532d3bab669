"""Runs for TransformerLens, and its weights as runs: versions 2 and 3, and the bridge of version 4."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from grokjax.config import Hyper
from grokjax.interop import orientation
from grokjax.interop.released import run_of
from grokjax.model import positions
from grokjax.run import Run
from grokjax.tasks import Task

ACTIVATIONS = {"relu": "relu", "gelu": "gelu"}
"""Ours and TransformerLens's: both mean the exact gelu by that name."""
MASKS = {"causal": "causal", "full": "bidirectional"}


class Exported(NamedTuple):
    """Weights by TransformerLens's names, numpy arrays, and the keywords of its config.

    Versions 2 and 3: `HookedTransformer(HookedTransformerConfig(**config))`, then `load_state_dict(weights)`.
    Version 4: `TransformerBridge.boot_native(TransformerBridgeConfig(**config))`, then the same.
    `model()` does it, for the version that the weights were made for.
    """

    weights: dict[str, np.ndarray]
    config: dict[str, Any]

    def model(self) -> Any:
        """Returns TransformerLens's own model with these weights. Raises ImportError where it is missing."""
        try:
            import torch
            import transformer_lens
        except ImportError as error:
            raise ImportError(
                f"{error.name} is not installed, and a model of TransformerLens needs it: "
                "pip install 'grokjax[peers]'"
            ) from error
        if "embed.weight" in self.weights:
            from transformer_lens.config import TransformerBridgeConfig
            from transformer_lens.model_bridge import TransformerBridge

            model = TransformerBridge.boot_native(TransformerBridgeConfig(**self.config))
        else:
            config = transformer_lens.HookedTransformerConfig(**self.config)
            model = transformer_lens.HookedTransformer(config)
        model.load_state_dict({name: torch.tensor(x) for name, x in self.weights.items()})
        return model


def to_transformer_lens(run: Run, *, version: int = 3) -> Exported:
    """One run as TransformerLens takes it.

    version: 2 or 3 (blocks.0.attn.W_Q [H, D, K]) or 4 (blocks.0.attn.q.weight [H K, D])

    Positions that add a table, or nothing, are written as that table, uniform attention as queries of 0.
    Raises ValueError for a stack, and for what TransformerLens cannot compute.
    """
    if version not in (2, 3, 4):
        raise ValueError(f"version={version!r} must be 2, 3 or 4")
    params, c = _expressible(run), run.config
    config = dict(
        n_layers=c.num_layers,
        d_model=c.d_model,
        n_ctx=c.num_positions,
        d_head=c.head_width,
        n_heads=c.num_heads,
        d_mlp=c.mlp_width,
        d_vocab=c.vocabulary,
        d_vocab_out=c.num_outputs,
        act_fn=ACTIVATIONS[c.activation],
        attn_only=not c.mlp,
        attention_dir=MASKS[c.mask],
        normalization_type="LN" if c.layer_norm else None,
        positional_embedding_type="standard",
    )
    weights = orientation.to_rows(params)
    if version == 4:
        return Exported(to_bridge(weights), config)
    for layer in range(c.num_layers):
        weights[f"blocks.{layer}.attn.mask"] = np.tri(c.num_positions, dtype=bool)
        weights[f"blocks.{layer}.attn.IGNORE"] = np.array(-np.inf, np.float32)
        if c.mask == "full":
            weights[f"blocks.{layer}.attn.mask"] |= True
    return Exported(weights, config)


def transformer_lens(
    state_dict: Mapping[str, Any],
    task: Task,
    config: Mapping[str, Any] | None = None,
    hyper: Hyper | None = None,
) -> Run:
    """The run of TransformerLens's weights, of version 2, 3 or 4; a state dict of torch tensors or of arrays.

    config: the keywords of its config, for what weights do not tell: act_fn (relu), attention_dir (causal),
      normalization_type, and with version 4 n_heads

    Raises ValueError for what no model here computes, such as attention biases other than 0.
    """
    weights = {name: _array(x) for name, x in state_dict.items()}
    settings = dict(config or {})
    norm = settings.get("normalization_type")
    if norm not in (None, "LN"):
        raise ValueError(f"normalization_type={norm!r} must be None or 'LN'")
    if settings.get("positional_embedding_type", "standard") != "standard":
        raise ValueError(
            f"positional_embedding_type={settings['positional_embedding_type']!r} must be 'standard'"
        )
    options = dict(
        activation=_translated(settings, "act_fn", {b: a for a, b in ACTIVATIONS.items()}, "relu"),
        mask=_translated(settings, "attention_dir", {b: a for a, b in MASKS.items()}, "causal"),
    )
    if "embed.weight" in weights:
        weights = from_bridge(weights, settings.get("n_heads"))
    return run_of(task, orientation.from_rows(weights), Hyper() if hyper is None else hyper, **options)


def to_bridge(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Weights by the names of version 4, from those of version 3: every matrix as torch's Linear holds it."""
    found: dict[str, np.ndarray] = {}
    for name, x in weights.items():
        *path, last = name.split(".")
        at = ".".join(path)
        if last in ("W_Q", "W_K", "W_V"):
            found[f"{at}.{last[-1].lower()}.weight"] = x.transpose(0, 2, 1).reshape(-1, x.shape[1])
        elif last == "W_O":
            found[f"{at}.o.weight"] = x.reshape(-1, x.shape[2]).T
        elif last in ("b_Q", "b_K", "b_V", "b_O"):
            found[f"{at}.{last[-1].lower()}.bias"] = x.reshape(-1)
        elif last in ("W_in", "W_out", "b_in", "b_out"):
            found[f"{at}.{last[2:]}.{'weight' if last[0] == 'W' else 'bias'}"] = x.T
        elif last in ("W_E", "W_pos", "w"):
            found[f"{at}.weight"] = x
        elif last == "W_U":
            found[f"{at}.weight"] = x.T
        elif last in ("b", "b_U"):
            found[f"{at}.bias"] = x
    return {name: np.ascontiguousarray(x) for name, x in found.items()}


def from_bridge(weights: Mapping[str, np.ndarray], num_heads: int | None) -> dict[str, np.ndarray]:
    """Weights by the names of version 3, from those of version 4, whose matrices do not tell the heads."""
    if not isinstance(num_heads, int) or num_heads < 1:
        raise ValueError(
            f"n_heads={num_heads!r}: weights of version 4 do not tell it, so config must have it"
        )
    tops = {"embed": "W_E", "pos_embed": "W_pos", "unembed": "W_U"}
    found: dict[str, np.ndarray] = {}
    for name, x in weights.items():
        *path, last = name.split(".")
        part, at, matrix = path[-1], ".".join(path[:-1]), last == "weight"
        if part in tops:
            found[f"{part}.{tops[part] if matrix else 'b_U'}"] = x.T if part == "unembed" and matrix else x
        elif part in "qkv" and matrix:
            found[f"{at}.W_{part.upper()}"] = x.reshape(num_heads, -1, x.shape[1]).transpose(0, 2, 1)
        elif part == "o" and matrix:
            found[f"{at}.W_O"] = x.T.reshape(num_heads, -1, len(x))
        elif part in "qkv":
            found[f"{at}.b_{part.upper()}"] = x.reshape(num_heads, -1)
        elif part == "o":
            found[f"{at}.b_O"] = x
        elif part in ("in", "out"):
            found[f"{at}.{'W' if matrix else 'b'}_{part}"] = x.T
        else:
            found[".".join(path) + (".w" if matrix else ".b")] = x
    return found


def _expressible(run: Run) -> dict[str, Any]:
    """The parameters of a run with learned positions and live attention; refused where it has none such."""
    if run.is_stack:
        raise ValueError(f"{run!r}: a stack cannot leave as one model; pick a run, runs[0]")
    rate, config, params = float(run.hyper.attention_rate), run.config, dict(run.params)
    if rate != 1:
        raise ValueError(f"attention_rate={rate:g} mixes ones into the pattern, which TransformerLens cannot")
    if config.positions in ("rope", "abacus", "fire"):
        raise ValueError(
            f"positions={config.positions!r} cannot go to TransformerLens; learned, sinusoidal and none can"
        )
    if config.attention == "positional":
        raise ValueError("attention='positional' cannot go to TransformerLens; live and uniform can")
    table = positions.table(config, params)
    params["W_pos"] = np.zeros((config.num_positions, config.d_model)) if table is None else table
    if config.attention == "uniform":
        nothing = np.zeros_like(params["blocks"][0]["W_V"])
        params["blocks"] = [dict(p, W_Q=nothing, W_K=nothing) for p in params["blocks"]]
    return params


def _array(x: Any) -> np.ndarray:
    """An array of a torch tensor (known by its `detach`) or of anything that numpy takes."""
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)


def _translated(settings: dict[str, Any], name: str, words: dict[str, str], default: str) -> str:
    value = settings.get(name, default)
    if value not in words:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(words)}")
    return words[value]
