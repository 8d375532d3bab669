"""Models that others trained, on our tasks: formats, classes and decoding here are those that they learnt."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import released

import grokjax as gj
from grokjax import objective


def test_exact_match_of_the_released_adder_by_carry_class(reference):
    run, arrays = released.run(reference, "adder5_d128")
    task = run.task
    a, b = (np.array(gj.tasks.digits(column.tolist(), 10, 5), np.int32) for column in arrays["problems.ab"].T)
    batch = task.encode(a, b)
    found = jax.jit(lambda tokens: run.logits(tokens))(batch.tokens)
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
    at_read = lambda tokens: run.forward(tokens, read=task.read)
    free = jax.jit(lambda batch: gj.tasks.decode(at_read, task, batch).exact)(few)
    # a greedy answer is wrong from its first mistake on, whoever writes what follows
    assert (free == exact[:500]).all()


def test_the_released_induction_model_finds_the_repeats_of_our_task(reference):
    run, arrays = released.run(reference, "induction_infinite")
    assert run.task == gj.Induction()
    sample = arrays["sample.logits_f64_first2"][:, :84]
    found = run.forward(jnp.asarray(arrays["sample.tokens"][:2, :84]))
    assert np.allclose(found, sample, atol=1e-4 * np.abs(sample).max())
    batch = run.task.batch(jax.random.key(0), 200)
    logits = run.forward(batch.tokens)
    losses = objective.cross_entropy(logits[:, :-1], batch.tokens[:, 1:]).mean(0)
    assert losses[:69].mean() > 4 and losses[69:].mean() < 2.2  # ln 127 = 4.84 where nothing repeats
