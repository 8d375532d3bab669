"""The transformer: what its docstring says exists, who sees whom, what an edit does, and that the fast
program is the plain one.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from grokjax.config import Hyper, ModelConfig
from grokjax.model import init, transformer
from grokjax.tap import run_with_cache
from grokjax.trees import named_leaves

SIZES = dict(vocabulary=7, num_positions=5, num_outputs=6, d_model=12, num_heads=3, d_head=4, d_mlp=10)
TOKENS = jax.random.randint(jax.random.key(0), (4, 5), 0, 7)
READ = (2, 4)


def model(seed=1, **options):
    config = ModelConfig(**(SIZES | options))
    leaves, tree = jax.tree.flatten(init(config, jax.random.key(seed), Hyper()))
    return config, jax.tree.unflatten(
        tree, [x + 0.1 * jax.random.normal(jax.random.key(i), x.shape) for i, x in enumerate(leaves)]
    )


def documented(config):
    """The names and shapes of the docstring's table, for a batch of 4."""
    letters = {"1": 1, "B": 4, "P": 5, "q": 5, "p": 5}
    letters |= dict(D=config.d_model, H=config.num_heads, K=config.head_width, M=config.mlp_width)
    table = {}
    for names, axes in re.findall(
        r"^  ([\w., ]+?)  +\[([\w, ]+)\]", transformer.__doc__.split("Activations")[1], re.M
    ):
        first, *others = names.split(", ")
        parents = first.split(".")
        for name in (first, *(".".join([*parents[: -len(other.split("."))], other]) for other in others)):
            for layer in range(config.num_layers):
                table[name.replace(".l.", f".{layer}.")] = tuple(letters[axis] for axis in axes.split(", "))
    return table


def test_the_docstring_lists_every_activation_with_its_shape():
    config, params = model(layer_norm=True, num_layers=2)
    _, cache = run_with_cache(transformer.forward)(config, params, TOKENS)
    assert {name: x.shape for name, x in cache.items()} == documented(config)


def test_another_number_of_positions_is_refused_and_so_are_ids_outside_the_vocabulary():
    config, params = model()
    for tokens in (TOKENS[:, :4], jnp.concatenate([TOKENS, TOKENS], 1), jnp.int32(3)):
        with pytest.raises(ValueError, match="num_positions=5"):
            transformer.forward(config, params, tokens)
    with pytest.raises(ValueError, match="num_positions=5"):
        jax.jit(lambda tokens: transformer.forward(config, params, tokens))(TOKENS[:, :4])
    for bad in (7, -1):
        with pytest.raises(ValueError, match=rf"token {bad} is outside the vocabulary: ids are 0 … 6"):
            transformer.forward(config, params, TOKENS.at[2, 3].set(bad))
    assert transformer.forward(config, params, TOKENS[:0]).shape == (0, 5, 6)


def test_a_smaller_model_has_a_part_of_the_documented_activations():
    config, params = model(mlp=False, attention="uniform", positions="none")
    _, cache = run_with_cache(transformer.forward)(config, params, TOKENS)
    assert {name: x.shape for name, x in cache.items()}.items() <= documented(config).items()
    assert not {"pos_embed", "blocks.0.attn.q", "blocks.0.mlp.pre", "blocks.0.ln1.normalized"} & set(cache)


def test_the_docstring_names_every_parameter():
    text = transformer.__doc__.split("Activations")[0]
    for options in (
        dict(layer_norm=True, unembed_bias=True),
        dict(attention="positional"),
        dict(positions="fire"),
    ):
        for name in named_leaves(model(**options)[1]):
            assert re.search(
                rf"\b{next(part for part in name.split('.') if part not in ('blocks', '0'))}\b", text
            ), name


def influence(config, params):
    """[q, p]: how much the logits at q change with the embedding at p."""

    def logits(delta):
        return run_with_cache(transformer.forward, {"embed": lambda x: x + delta})(config, params, TOKENS)[0]

    jacobian = jax.jacobian(logits)(jnp.zeros((1, 5, config.d_model)))
    return np.abs(jacobian).sum((0, 2, 3, 5))


CAUSAL = (dict(num_layers=2), dict(positions="rope"), dict(positions="fire"), dict(attention="positional"))


@pytest.mark.parametrize("options", CAUSAL, ids=str)
def test_a_causal_model_reads_no_later_position(options):
    seen = influence(*model(**options))
    np.testing.assert_array_equal(seen > 0, np.tri(5, dtype=bool))


def test_a_full_mask_reads_every_position():
    assert (influence(*model(mask="full")) > 0).all()


PROGRAMS = (
    dict(layer_norm=True, num_layers=2),
    dict(num_layers=2, mask="full"),
    dict(positions="rope", num_layers=2),
    dict(positions="fire"),
    dict(positions="abacus"),
    dict(attention="positional", activation="gelu"),
    dict(mlp=False, unembed_bias=True, layer_norm=True),
)


@pytest.mark.parametrize("options", PROGRAMS, ids=str)
def test_the_program_without_a_tap_is_the_plain_one(options):
    config, params = model(**options)
    offset = 2 if config.positions == "abacus" else 0
    weights = jax.random.normal(jax.random.key(9), (4, len(READ), 6))

    def total(params, tap):
        logits = transformer.forward(
            config, params, TOKENS, read=READ, tap=tap, attention_rate=jnp.float32(0.7), offset=offset
        )
        return (weights * logits).sum(), logits

    both = jax.jit(
        lambda params: [
            jax.value_and_grad(total, has_aux=True)(params, tap) for tap in (None, lambda name, x: x)
        ]
    )
    ((_, fast), gradient), ((_, plain), true) = both(params)
    np.testing.assert_allclose(fast, plain, atol=2e-5)
    largest = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(true))
    for g, t in zip(jax.tree.leaves(gradient), jax.tree.leaves(true), strict=True):
        np.testing.assert_allclose(g, t, atol=1e-5 * largest)


def test_reading_some_positions_is_reading_all_and_choosing():
    config, params = model()
    everything = transformer.forward(config, params, TOKENS)
    np.testing.assert_allclose(
        transformer.forward(config, params, TOKENS, read=(1, 4)), everything[:, [1, 4]], atol=1e-5
    )


def test_an_edit_that_changes_nothing_changes_no_bit():
    config, params = model(num_layers=2)
    logits, cache = run_with_cache(transformer.forward)(config, params, TOKENS)
    same, again = run_with_cache(transformer.forward, {name: lambda x: x for name in cache})(
        config, params, TOKENS
    )
    np.testing.assert_array_equal(logits, same)
    assert all(bool((cache[name] == again[name]).all()) for name in cache)


@pytest.mark.parametrize(
    "name",
    (
        "embed",
        "pos_embed",
        "blocks.0.resid_pre",
        "blocks.0.attn.q",
        "blocks.0.attn.k",
        "blocks.0.attn.v",
        "blocks.0.attn.attn_scores",
        "blocks.0.attn.pattern",
        "blocks.0.attn.z",
        "blocks.0.attn.result",
        "blocks.0.attn_out",
        "blocks.0.resid_mid",
        "blocks.0.mlp.pre",
        "blocks.0.mlp.post",
        "blocks.0.mlp_out",
        "blocks.0.resid_post",
    ),
)
def test_every_activation_acts_when_it_is_edited(name):
    config, params = model()
    logits = transformer.forward(config, params, TOKENS, tap=lambda name, x: x)
    noise = lambda x: x + jax.random.normal(jax.random.key(3), x.shape)
    edited, _ = run_with_cache(transformer.forward, {name: noise})(config, params, TOKENS)
    assert float(jnp.abs(edited - logits).max()) > 1e-3


def test_a_head_whose_z_is_zeroed_is_a_head_without_W_O():
    config, params = model()
    ablated, _ = run_with_cache(transformer.forward, {"blocks.0.attn.z": lambda z: z.at[:, :, 1].set(0)})(
        config, params, TOKENS
    )
    params["blocks"][0]["W_O"] = params["blocks"][0]["W_O"].at[1].set(0)
    np.testing.assert_allclose(ablated, transformer.forward(config, params, TOKENS), atol=1e-5)


def test_the_residual_stream_is_the_sum_of_what_is_added():
    config, params = model(num_layers=2)
    _, cache = run_with_cache(transformer.forward)(config, params, TOKENS)
    added = [
        "embed",
        "pos_embed",
        *(f"blocks.{layer}.{name}" for layer in range(2) for name in ("attn_out", "mlp_out")),
    ]
    np.testing.assert_allclose(sum(cache[name] for name in added), cache["blocks.1.resid_post"], atol=1e-5)
    np.testing.assert_allclose(cache["blocks.0.attn.result"].sum(2), cache["blocks.0.attn_out"], atol=1e-6)
