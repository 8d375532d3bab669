"""Parameters in the orientation of the released torch models, as ours."""

import numpy as np

from grokjax import ModelConfig


def parameters(torch, *, num_heads, num_positions):
    """Our nested dict from arrays by torch name, without the prefix `param.` (one layer, no layer norm)."""
    get = lambda name: np.asarray(torch[name], np.float32)
    project = lambda name: get(f"blocks.0.attn.{name}").transpose(2, 0, 1)
    out = get("blocks.0.attn.W_O")
    out = out.transpose(0, 2, 1) if out.ndim == 3 else out.T.reshape(num_heads, -1, out.shape[0])
    block = dict(
        W_Q=project("W_Q"),
        W_K=project("W_K"),
        W_V=project("W_V"),
        W_O=out,
        W_in=get("blocks.0.mlp.W_in").T,
        b_in=get("blocks.0.mlp.b_in"),
        W_out=get("blocks.0.mlp.W_out").T,
        b_out=get("blocks.0.mlp.b_out"),
    )
    return dict(
        W_E=get("embed.W_E").T,
        W_pos=get("pos_embed.W_pos")[:num_positions],
        blocks=[block],
        W_U=get("unembed.W_U"),
    )


def induction(folder):
    """Config and parameters of the released two-layer induction model, attention only."""
    arrays = np.load(folder / "induction_infinite.npz")
    get = lambda name: np.asarray(arrays[f"param.{name}"], np.float32)
    heads = lambda layer, name: get(f"attn_blocks.{layer}.attn.{name}")
    blocks = [
        {name: heads(layer, name).transpose(2, 0, 1) for name in ("W_Q", "W_K", "W_V")}
        | dict(W_O=heads(layer, "W_O").T.reshape(4, 12, 48))
        for layer in range(2)
    ]
    config = ModelConfig(
        vocabulary=128, num_positions=85, num_outputs=128, num_layers=2, d_model=48, num_heads=4, mlp=False
    )
    return config, dict(
        W_E=get("embed.W_E").T, W_pos=get("pos_embed.W_pos"), W_U=get("unembed.W_U"), blocks=blocks
    )
