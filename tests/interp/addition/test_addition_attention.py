"""The places that answers look at, and a positional head that looks where its table says."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp.addition import attention

TASK = gj.Addition(num_digits=2, batch_size=6)
#            a1 a0 + b1 b0 = s2 s1, s0 is read by nothing
OWN, BELOW, ABOVE, EQUALS, ANSWERS, OTHER = range(6)


def test_the_places_of_every_answer():
    np.testing.assert_array_equal(
        attention.places(TASK),
        [
            [
                BELOW,
                OTHER,
                OTHER,
                BELOW,
                OTHER,
                EQUALS,
                ANSWERS,
                ANSWERS,
            ],  # the leading digit has no own pair
            [OWN, BELOW, OTHER, OWN, BELOW, EQUALS, ANSWERS, ANSWERS],
            [ABOVE, OWN, OTHER, ABOVE, OWN, EQUALS, ANSWERS, ANSWERS],
        ],
    )
    single = attention.places(dataclasses.replace(TASK, mode="single", digit=1))
    assert attention.operand_columns(TASK).tolist() == [
        1,
        0,
        -1,
        1,
        0,
        -1,
        -1,
        -1,
    ] and attention.answer_columns(TASK).tolist() == [2, 1, 0]
    np.testing.assert_array_equal(single, [[OWN, BELOW, OTHER, OWN, BELOW, EQUALS]])


def test_places_with_hints_and_with_written_carries():
    hinted = attention.places(dataclasses.replace(TASK, hints=True))
    np.testing.assert_array_equal(hinted[:, [1, 3, 6, 8, 9]], attention.places(TASK)[:, [0, 1, 3, 4, 5]])
    assert (hinted[:, [0, 2, 4, 5, 7, 10, 12, 14]] == OTHER).all() and (hinted[:, [11, 13]] == ANSWERS).all()
    written = attention.places(dataclasses.replace(TASK, scratchpad=True))
    assert written.shape == (5, 10) and written[0].tolist()[:2] == [
        OWN,
        BELOW,
    ]  # the carry into the tens is made by the units
    with pytest.raises(ValueError, match="operands do not stand"):
        attention.places(dataclasses.replace(TASK, lengths=(1, 2)))


def planted(own):
    """A positional model whose head `own` looks from every answer at its own pair, and from the leading one
    at `=`.
    """
    config = gj.ModelConfig.of(TASK, d_model=4, num_heads=2, attention="positional")
    params = gj.model.init(config, random.key(0))
    table = np.zeros((2, 8, 8), np.float32)
    for query, keys in ((5, [5]), (6, [0, 3]), (7, [1, 4])):
        table[own, query, keys] = 50
    blocks = [{**params["blocks"][0], "attn_logits": jnp.asarray(table)}]
    return gj.Run(TASK, config, {**params, "blocks": blocks})


@pytest.mark.parametrize("own", [0, 1])
def test_the_planted_head_looks_at_its_own_pair_and_the_other_does_not(own):
    found = attention.to_places(planted(own), TASK.batch(random.key(1)).tokens)
    assert found.shape == (1, 2, 3, len(attention.PLACES))
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(found[0, own, :, [OWN, EQUALS]], [[0, 1, 1], [1, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(found[0, 1 - own, 1:, OWN], [2 / 7, 2 / 8], rtol=1e-5)
