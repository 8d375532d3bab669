"""Models that others trained, on our tasks: the formats, classes and decoding here are those that they
learnt.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import released

import grokjax as gj
from grokjax import objective
from grokjax.model import transformer


def weights(path):
    """Arrays by torch name."""
    arrays = np.load(path)
    return {
        name.removeprefix("param."): arrays[name] for name in arrays.files if name.startswith("param.")
    }, arrays


def test_exact_match_of_the_released_adder_by_carry_class(reference):
    torch, arrays = weights(reference / "adder5_d128.npz")
    task = gj.tasks.Addition()
    params = jax.tree.map(jnp.asarray, released.parameters(torch, num_heads=4, num_positions=17))
    config = gj.ModelConfig(**gj.tasks.shape(task))
    logits = jax.jit(lambda tokens: transformer.forward(config, params, tokens, read=task.read))
    a, b = (np.array(gj.tasks.digits(column.tolist(), 10, 5), np.int32) for column in arrays["problems.ab"].T)
    batch = task.encode(a, b)
    found = objective.by_answer(task, logits(batch.tokens))
    exact = (found.argmax(-1) == batch.labels).all(-1)
    classes = np.maximum(np.asarray(gj.tasks.cascade(jnp.asarray(a), jnp.asarray(b), 10)) - 1, 0)
    assert np.bincount(classes).tolist() == [8259, 1597, 137, 7]
    assert [exact[classes == j].mean() for j in range(4)] == pytest.approx(
        [0.9898, 0.9687, 0.7372, 0], abs=6e-5
    )
    assert -objective.cross_entropy(found, batch.labels) == pytest.approx(
        arrays["problems.logprob_per_token_f32"], abs=1e-4, rel=1e-3
    )
    few = gj.tasks.Batch(*(x[:500] for x in batch))
    free = jax.jit(lambda batch: gj.tasks.decode(logits, task, batch).exact)(few)
    assert (
        free == exact[:500]
    ).all()  # a greedy answer is wrong from its first mistake on, whoever writes what follows


def test_the_released_induction_model_finds_the_repeats_of_our_task(reference):
    torch, arrays = weights(reference / "induction_infinite.npz")
    task = gj.tasks.Induction()
    config = gj.ModelConfig(
        vocabulary=128, num_positions=85, num_outputs=128, num_layers=2, d_model=48, num_heads=4, mlp=False
    )
    heads = lambda layer, name: torch[f"attn_blocks.{layer}.attn.{name}"]
    inward = lambda layer: {name: heads(layer, name).transpose(2, 0, 1) for name in ("W_Q", "W_K", "W_V")}
    blocks = [dict(inward(layer), W_O=heads(layer, "W_O").T.reshape(4, 12, 48)) for layer in range(2)]
    rest = dict(W_E=torch["embed.W_E"].T, W_pos=torch["pos_embed.W_pos"], W_U=torch["unembed.W_U"])
    params = jax.tree.map(jnp.asarray, dict(rest, blocks=blocks))
    sample = arrays["sample.logits_f64_first2"]
    assert np.allclose(
        transformer.forward(config, params, arrays["sample.tokens"][:2]),
        sample,
        atol=1e-4 * np.abs(sample).max(),
    )
    batch = task.batch(jax.random.key(0), 200)
    logits = transformer.forward(
        dataclasses.replace(config, num_positions=84), params | {"W_pos": params["W_pos"][:84]}, batch.tokens
    )
    losses = objective.cross_entropy(logits[:, :-1], batch.tokens[:, 1:]).mean(0)
    assert losses[:69].mean() > 4 and losses[69:].mean() < 2.2  # ln 127 = 4.84 where nothing repeats
