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
from grokjax import objective
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


def made(rate=1.0, **changes):
    config = gj.ModelConfig.of(TASK, **{"d_model": 8, "num_heads": 2, "d_mlp": 6, **changes})
    run = gj.Run.init(TASK, config, gj.Recipe(), gj.Hyper(init_scale=2.0, attention_rate=rate))
    noise = lambda x: x + 0.1 * random.normal(random.key(3), x.shape)  # biases, patterns, gains
    return run.replace(params=jax.tree.map(noise, run.params))


@pytest.mark.parametrize("changes", VARIANTS)
def test_no_edge_replaced_is_the_model_and_all_is_the_model_on_the_source(changes):
    run = made(0.7, **changes)
    there = edges.exist(run)
    assert there.shape == (len(edges.receivers(run)), len(edges.senders(run)))
    replaced = jax.jit(functools.partial(edges.forward, run, TOKENS, SOURCE))
    np.testing.assert_allclose(replaced(jnp.zeros(there.shape)), run.forward(TOKENS), atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(replaced(jnp.ones(there.shape)), run.forward(SOURCE), atol=1e-4, rtol=1e-4)
    by_position = jnp.zeros((*there.shape, TOKENS.shape[1])).at[:, :, -1].set(1.0)
    if run.config.mask == "causal":  # what is replaced at the last position alone cannot be seen before it
        last, clean = replaced(by_position), run.forward(TOKENS)
        np.testing.assert_allclose(last[:, :-1], clean[:, :-1], atol=1e-4, rtol=1e-4)
        assert not np.allclose(last[:, -1], clean[:, -1], atol=1e-3)


def test_patterns_are_those_of_the_cache():
    run = made(0.7, num_layers=2)
    found = edges.patterns(run, TOKENS, SOURCE, jnp.ones(edges.exist(run).shape))
    cache = run.cache(SOURCE)
    np.testing.assert_allclose(
        found, jnp.stack([cache[f"blocks.{layer}.attn.pattern"] for layer in range(2)]), atol=1e-4
    )


def test_which_edges_there_are():
    run = made(num_layers=2)
    there = dict(zip(edges.receivers(run), edges.exist(run), strict=True))
    names = lambda receiver: [
        name for name, is_there in zip(edges.senders(run), there[receiver], strict=True) if is_there
    ]
    assert names("0.head.1.k") == ["embed", "pos_embed"] and names("0.mlp") == [
        "embed",
        "pos_embed",
        "0.head.0",
        "0.head.1",
    ]
    assert names("1.head.0.v") == [*names("0.mlp"), "0.mlp"] and names("logits") == list(edges.senders(run))


def loss_on(run, tokens):
    """The mean negative log-probability of what the run answers on `tokens`."""
    best = run.forward(tokens)[:, -1].argmax(-1)
    return lambda logits: objective.cross_entropy(logits[:, -1], best).mean()


def test_an_edge_into_the_logits_is_a_swap_of_what_is_added():
    run = made()
    score = loss_on(run, TOKENS)
    found = edges.effects(run, TOKENS, SOURCE, score)
    added = [run.cache(tokens)["blocks.0.attn.result"][:, :, 1] for tokens in (TOKENS, SOURCE)]
    clean = run.forward(TOKENS)
    swapped = score(clean + (added[1] - added[0]) @ run.params["W_U"])
    place = edges.receivers(run).index("logits"), edges.senders(run).index("0.head.1")
    assert np.isclose(found[place], swapped - score(clean), atol=1e-5)
    assert (np.isnan(found) == ~edges.exist(run)).all()


def test_attributions_are_the_slopes_of_the_effects():
    run = made()
    score = loss_on(run, TOKENS)
    slopes = edges.attributions(run, TOKENS, SOURCE, score)
    scored = lambda mask: score(edges.forward(run, TOKENS, SOURCE, mask))
    there = edges.exist(run)
    for place in np.argwhere(there)[::5]:
        step = jnp.zeros(there.shape).at[tuple(place)].set(0.01)
        assert np.isclose((scored(step) - scored(-step)) / 0.02, slopes[tuple(place)], atol=1e-3)


def test_attributions_on_the_way_sum_to_the_whole_change():
    """By the midpoint rule, each step's gradient taken in its middle."""
    run, score = made(activation="gelu"), lambda logits: logits[:, -1, 1].mean()
    whole = score(run.forward(SOURCE)) - score(run.forward(TOKENS))
    found = lambda steps: functools.partial(edges.attributions, score=score, steps=steps)
    total = lambda steps: jnp.nansum(jax.jit(found(steps))(run, TOKENS, SOURCE))
    assert abs(whole) > 1
    np.testing.assert_allclose(total(64), whole, rtol=1e-3)
    slope = jax.jit(
        jax.grad(lambda share: score(edges.forward(run, TOKENS, SOURCE, share * edges.exist(run))))
    )
    np.testing.assert_allclose(total(2), (slope(0.25) + slope(0.75)) / 2, rtol=1e-4)


def test_the_least_set_of_edges_is_the_circuit_that_was_built():
    """Head 1 alone moves tokens, and is read by the logits alone: its values and its edge to the logits are
    all that is kept.
    """
    run = made(mlp=False)
    params, block = run.params, run.params["blocks"][0]
    only = dict(W_Q=0 * block["W_Q"], W_V=block["W_V"].at[:, 0].set(0), W_O=20 * block["W_O"].at[0].set(0))
    run = run.replace(params={**params, "W_pos": 0 * params["W_pos"], "blocks": [{**block, **only}]})
    tokens = SOURCE.at[:, 0].set(0)
    source = tokens.at[:, 0].set(3)  # another first operand: only a head can tell the last position
    score = loss_on(run, tokens)
    clean = score(run.forward(tokens))
    assert score(run.forward(source)) > clean + 0.1
    found = edges.minimal(run, tokens, source, score, clean + 0.01)
    names = {(edges.receivers(run)[r], edges.senders(run)[u]) for r, u in np.argwhere(found.kept)}
    assert names == {("0.head.1.v", "embed"), ("logits", "0.head.1")} and found.score <= clean + 0.01
