"""The heads of the released induction model: weights that compose name those that attention shows at work."""

import jax
import jax.numpy as jnp
import numpy as np
import released

from grokjax import objective
from grokjax.interp import attention, composition, edges


def test_k_composition_names_the_induction_pairs(reference):
    run, _ = released.run(reference, "induction_infinite")
    pairs, z = jax.jit(composition.pairs_by_k_composition)(run)
    named = [tuple(pair) for pair in pairs[z > 5].tolist()]
    assert named == [(0, 2, 1, 2), (0, 2, 1, 1), (0, 2, 1, 3), (0, 2, 1, 0)] and z[3] > 20 and z[4] < 0
    period = 42
    once = jax.random.randint(jax.random.key(0), (32, period), 1, run.task.vocabulary)
    pattern = jax.jit(attention.patterns)(run, jnp.tile(once, 2))
    previous, inducing = (
        attention.at_distance(pattern, 1, 1),
        attention.at_distance(pattern, period - 1, period),
    )
    assert np.argmax(previous[0]) == 2 and previous[0, 2] > 4 * np.delete(previous[0], 2).max()
    assert (
        np.argsort(-inducing[1]).tolist() == [2, 1, 3, 0]
        and (inducing[1, 1:] > 0.2).all()
        and inducing[0].max() < 0.02
    )


def test_path_patching_names_the_same_pairs_and_ranks_them_alike(reference):
    """By what they do: the keys of a head of layer 1 are given what a head of layer 0 writes on another
    sequence, and it looks away.

    The loss rises with three of the four pairs alone: head 0 of layer 1 composes with the same head, but what
    it copies is not read.
    """
    run, _ = released.run(reference, "induction_infinite")
    period = 42
    once = jax.random.randint(jax.random.key(0), (2, 16, period), 1, run.task.vocabulary)
    tokens, source = jnp.tile(once, 2)
    rows, columns, there = edges.receivers(run), edges.senders(run), edges.exist(run)

    def measured(mask):
        logits, pattern = (of(run, tokens, source, mask) for of in (edges.forward, edges.patterns))
        return attention.at_distance(pattern[1].mean(0), period - 1, period), objective.cross_entropy(
            logits[:, period:-1], nexts
        ).mean()

    nexts, none = tokens[:, period + 1 :], jnp.zeros(there.shape)
    places = [(0, sender, 1, receiver) for sender in range(4) for receiver in range(4)]
    masks = jnp.stack(
        [
            none,
            *(
                none.at[rows.index(f"1.head.{pair[3]}.k"), columns.index(f"0.head.{pair[1]}")].set(1)
                for pair in places
            ),
        ]
    )
    looks, loss = jax.jit(lambda masks: jax.lax.map(measured, masks))(masks)
    away = {
        pair: float(looks[0, pair[3]] - row[pair[3]]) for pair, row in zip(places, looks[1:], strict=True)
    }
    rise = {pair: float(x - loss[0]) for pair, x in zip(places, loss[1:], strict=True)}
    pairs, z = composition.pairs_by_k_composition(run)
    named = [tuple(pair) for pair in pairs[z > 5].tolist()]
    ranked = sorted(away, key=lambda pair: -away[pair])
    assert ranked[:4] == named and away[ranked[3]] > 10 * abs(away[ranked[4]])
    assert {pair for pair in rise if rise[pair] > 0.1} == set(named[:3]) and max(
        rise, key=lambda pair: rise[pair]
    ) == named[0]
