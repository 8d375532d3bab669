"""TransformerLens and back: the same weights, and with the real package the same logits."""

import dataclasses
import sys

import jax
import numpy as np
import pytest

import grokjax as gj
from grokjax import interop

TASK = gj.ModularArithmetic(7)
CONFIGS = {
    "one layer": dict(d_model=8, num_heads=2),
    "norms and biases": dict(d_model=12, num_heads=3, num_layers=2, layer_norm=True, unembed_bias=True),
    "odd widths, gelu": dict(d_model=10, num_heads=4, d_head=3, d_mlp=7, activation="gelu", mask="full"),
    "attention only": dict(d_model=8, num_heads=2, num_layers=2, mlp=False),
    "sinusoidal": dict(d_model=8, num_heads=2, positions="sinusoidal"),
    "no positions, uniform": dict(d_model=8, num_heads=2, positions="none", attention="uniform"),
}


def run_of(name, **hyper):
    """A fresh run with every parameter moved, biases and norms too."""
    config = gj.ModelConfig.of(TASK, **CONFIGS[name])
    run = gj.Run.init(TASK, config, gj.Recipe(), gj.Hyper(seed=3, **hyper))
    leaves, structure = jax.tree.flatten(run.params)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    moved = [x + 0.1 * jax.random.normal(key, x.shape) for x, key in zip(leaves, keys, strict=True)]
    return run.replace(params=jax.tree.unflatten(structure, moved))


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_run_goes_out_and_comes_back(name, version):
    run, tokens = run_of(name), TASK.table().tokens
    out = interop.to_transformer_lens(run, version=version)
    assert all(isinstance(x, np.ndarray) and x.dtype in (np.float32, bool) for x in out.weights.values())
    back = interop.transformer_lens(out.weights, TASK, out.config, run.hyper)
    np.testing.assert_allclose(back.forward(tokens), run.forward(tokens), rtol=1e-5, atol=1e-5)
    if not {"positions", "attention"} & set(CONFIGS[name]):
        assert back.config == run.config and jax.tree.structure(back) == jax.tree.structure(run)
        assert all(map(np.array_equal, jax.tree.leaves(back.params), jax.tree.leaves(run.params)))


def test_names_and_shapes_are_those_of_transformer_lens():
    shapes = {
        name: x.shape for name, x in interop.to_transformer_lens(run_of("norms and biases")).weights.items()
    }
    some = {
        "embed.W_E": (8, 12),
        "blocks.1.attn.W_Q": (3, 12, 4),
        "blocks.1.attn.W_O": (3, 4, 12),
        "blocks.0.attn.b_V": (3, 4),
        "blocks.0.attn.mask": (3, 3),
        "blocks.0.ln1.w": (12,),
        "blocks.0.mlp.W_in": (12, 48),
        "unembed.W_U": (12, 8),
        "unembed.b_U": (8,),
    }
    assert {name: shapes[name] for name in some} == some
    bridge = {
        name: x.shape
        for name, x in interop.to_transformer_lens(run_of("norms and biases"), version=4).weights.items()
    }
    some = {
        "embed.weight": (8, 12),
        "blocks.1.attn.q.weight": (12, 12),
        "blocks.0.attn.v.bias": (12,),
        "blocks.0.mlp.in.weight": (48, 12),
        "blocks.0.ln1.weight": (12,),
        "unembed.weight": (8, 12),
        "unembed.bias": (8,),
    }
    assert {name: bridge[name] for name in some} == some and not any("mask" in name for name in bridge)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_real_package_computes_the_same_logits(name):
    lens = pytest.importorskip("transformer_lens", reason="the extra `peers` is not installed")
    torch = pytest.importorskip("torch")
    run, tokens = run_of(name), TASK.table().tokens
    version = 3 if "HookedTransformer" in dir(lens) else 4
    out = interop.to_transformer_lens(run, version=version)
    model = out.model()
    with torch.no_grad():
        theirs = model(torch.tensor(tokens.astype(np.int64))).numpy()
    np.testing.assert_allclose(theirs, run.forward(tokens), rtol=1e-5, atol=1e-5)
    back = interop.transformer_lens(model.state_dict(), TASK, out.config)
    np.testing.assert_allclose(back.forward(tokens), run.forward(tokens), rtol=1e-5, atol=1e-5)


def test_a_model_of_the_lens_needs_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformer_lens", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"torch is not installed.*pip install 'grokjax\[peers\]'"):
        interop.to_transformer_lens(run_of("one layer")).model()


def test_what_the_lens_cannot_compute_is_refused():
    with pytest.raises(ValueError, match=r"attention_rate=0.5 mixes ones into the pattern"):
        interop.to_transformer_lens(run_of("one layer", attention_rate=0.5))
    hypers = gj.grid(gj.Hyper(), seed=[0, 1])
    with pytest.raises(ValueError, match=r"a stack cannot leave as one model; pick a run, runs\[0\]"):
        interop.to_transformer_lens(gj.Run.init(TASK, run_of("one layer").config, gj.Recipe(), hypers))
    config = dataclasses.replace(run_of("one layer").config, positions="rope")
    rope = gj.Run.init(TASK, config, gj.Recipe(), gj.Hyper())
    with pytest.raises(ValueError, match="positions='rope' cannot go to TransformerLens"):
        interop.to_transformer_lens(rope)
    with pytest.raises(ValueError, match="version=1 must be 2, 3 or 4"):
        interop.to_transformer_lens(run_of("one layer"), version=1)


@pytest.mark.parametrize(
    "weights, config, words",
    [
        ({"blocks.0.attn.b_V": np.ones((2, 4))}, {}, "an attention bias b_V in layer 0"),
        (
            {"blocks.0.mlp.W_gate": np.ones((8, 32))},
            {},
            "weights that no transformer here has: blocks.0.mlp.W_gate",
        ),
        ({}, dict(act_fn="gelu_new"), "act_fn='gelu_new' must be one of relu, gelu"),
        ({}, dict(normalization_type="LNPre"), "normalization_type='LNPre' must be None or 'LN'"),
        ({}, dict(positional_embedding_type="rotary"), "'rotary' must be 'standard'"),
        ({"embed.weight": np.ones((8, 8))}, {}, "n_heads=None: weights of version 4 do not tell it"),
    ],
)
def test_weights_of_other_models_are_refused(weights, config, words):
    given = interop.to_transformer_lens(run_of("one layer")).weights | weights
    with pytest.raises(ValueError, match=words):
        interop.transformer_lens(given, TASK, config)
