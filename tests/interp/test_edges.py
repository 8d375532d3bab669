"""Edges between components: replaced none, all, one, as the definitions say; a circuit that is known is what
is left.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import model, objective
from grokjax.interp import edges

TASK = gj.Addition(num_digits=1, base=4, batch_size=8)
TOKENS, SOURCE = (TASK.batch(random.key(seed)).tokens for seed in (1, 2))
VARIANTS = [
    dict(),
    dict(num_layers=2, layer_norm=True, unembed_bias=True),
    dict(num_layers=2, mlp=False, positions="rope"),
    dict(attention="positional", activation="gelu"),
    dict(positions="fire", mask="full"),
]


def made(**changes):
    config = gj.ModelConfig(**{**gj.tasks.shape(TASK), "d_model": 8, "num_heads": 2, "d_mlp": 6, **changes})
    params = model.init(config, random.key(0), gj.Hyper(init_scale=2.0))
    return config, jax.tree.map(
        lambda x: x + 0.1 * random.normal(random.key(3), x.shape), params
    )  # biases, patterns, gains


@pytest.mark.parametrize("changes", VARIANTS)
def test_no_edge_replaced_is_the_model_and_all_is_the_model_on_the_source(changes):
    config, params = made(**changes)
    there = edges.exist(config)
    assert there.shape == (len(edges.receivers(config)), len(edges.senders(config)))
    run = jax.jit(functools.partial(edges.forward, config, params, TOKENS, SOURCE, attention_rate=0.7))
    forward = functools.partial(model.forward, config, params, attention_rate=0.7)
    np.testing.assert_allclose(run(jnp.zeros(there.shape)), forward(TOKENS), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(run(jnp.ones(there.shape)), forward(SOURCE), atol=1e-4, rtol=1e-4)
    by_position = jnp.zeros((*there.shape, TOKENS.shape[1])).at[:, :, -1].set(1.0)
    if config.mask == "causal":  # what is replaced at the last position alone cannot be seen before it
        np.testing.assert_allclose(run(by_position)[:, :-1], forward(TOKENS)[:, :-1], atol=1e-4, rtol=1e-4)
        assert not np.allclose(run(by_position)[:, -1], forward(TOKENS)[:, -1], atol=1e-3)


def test_patterns_are_those_of_the_cache():
    config, params = made(num_layers=2)
    found = edges.patterns(config, params, TOKENS, SOURCE, jnp.ones(edges.exist(config).shape))
    cache = gj.run_with_cache(functools.partial(model.forward, config))(params, SOURCE)[1]
    np.testing.assert_allclose(
        found, jnp.stack([cache[f"blocks.{layer}.attn.pattern"] for layer in range(2)]), atol=1e-4
    )


def test_which_edges_there_are():
    config = made(num_layers=2)[0]
    there = dict(zip(edges.receivers(config), edges.exist(config), strict=True))
    names = lambda receiver: [
        name for name, is_there in zip(edges.senders(config), there[receiver], strict=True) if is_there
    ]
    assert names("0.head.1.k") == ["embed", "pos_embed"] and names("0.mlp") == [
        "embed",
        "pos_embed",
        "0.head.0",
        "0.head.1",
    ]
    assert names("1.head.0.v") == [*names("0.mlp"), "0.mlp"] and names("logits") == list(
        edges.senders(config)
    )


def loss_on(tokens, config, params):
    """The mean negative log-probability of what the run answers on `tokens`."""
    best = model.forward(config, params, tokens)[:, -1].argmax(-1)
    return lambda logits: objective.cross_entropy(logits[:, -1], best).mean()


def test_an_edge_into_the_logits_is_a_swap_of_what_is_added():
    config, params = made()
    score = loss_on(TOKENS, config, params)
    found = edges.effects(config, params, TOKENS, SOURCE, score)
    cache = [
        gj.run_with_cache(functools.partial(model.forward, config))(params, tokens)
        for tokens in (TOKENS, SOURCE)
    ]
    added = [one["blocks.0.attn.result"][:, :, 1] for _, one in cache]
    swapped = score(cache[0][0] + (added[1] - added[0]) @ params["W_U"])
    place = edges.receivers(config).index("logits"), edges.senders(config).index("0.head.1")
    assert np.isclose(found[place], swapped - score(cache[0][0]), atol=1e-5)
    assert (np.isnan(found) == ~edges.exist(config)).all()


def test_attributions_are_the_slopes_of_the_effects():
    config, params = made()
    score = loss_on(TOKENS, config, params)
    slopes = edges.attributions(config, params, TOKENS, SOURCE, score)
    scored = lambda mask: score(edges.forward(config, params, TOKENS, SOURCE, mask))
    there = edges.exist(config)
    for place in np.argwhere(there)[::5]:
        step = jnp.zeros(there.shape).at[tuple(place)].set(0.01)
        assert np.isclose((scored(step) - scored(-step)) / 0.02, slopes[tuple(place)], atol=1e-3)


def test_the_least_set_of_edges_is_the_circuit_that_was_built():
    """Head 1 alone moves tokens, and is read by the logits alone: its values and its edge to the logits are
    all that is kept.
    """
    config, params = made(mlp=False)
    block = params["blocks"][0]
    only = dict(W_Q=0 * block["W_Q"], W_V=block["W_V"].at[:, 0].set(0), W_O=20 * block["W_O"].at[0].set(0))
    params = {**params, "W_pos": 0 * params["W_pos"], "blocks": [{**block, **only}]}
    tokens = SOURCE.at[:, 0].set(0)
    source = tokens.at[:, 0].set(3)  # another first operand: only a head can tell the last position
    score = loss_on(tokens, config, params)
    clean = score(model.forward(config, params, tokens))
    assert score(model.forward(config, params, source)) > clean + 0.1
    found = edges.minimal(config, params, tokens, source, score, clean + 0.01)
    names = {(edges.receivers(config)[r], edges.senders(config)[u]) for r, u in np.argwhere(found.kept)}
    assert names == {("0.head.1.v", "embed"), ("logits", "0.head.1")} and found.score <= clean + 0.01
