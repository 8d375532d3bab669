"""Edits of the carry: what a digit's answer becomes when activations say that the carry was the other one."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from grokjax.interp.addition import features
from grokjax.interp.addition.evaluation_sets import Problems
from grokjax.run import Run
from grokjax.tasks.layout import permutation
from grokjax.tasks.protocol import answer_positions, place_of_digit


class Flips(NamedTuple):
    """What an edit does to an answer digit, over problems.

    flipped, kept, other: shares answered as if the carry were the other one, right, and otherwise
    log_odds: mean rise of the log-odds of the flipped against the right answer (nats)
    """

    flipped: Float[Array, ""]
    kept: Float[Array, ""]
    other: Float[Array, ""]
    log_odds: Float[Array, ""]


def flips(
    run: Run, problems: Problems, edited: Float[Array, "B D"], digit: int, *, site: str = "blocks.0.resid_mid"
) -> Flips:
    """Returns the effect on a digit's answer of other activations at a site.

    They are put in at the one position that predicts the digit. Problems must have tokens.
    """
    task, tokens = run.task, jnp.asarray(problems.tokens)
    place = place_of_digit(task, digit)
    position = answer_positions(task)[place]
    ids, answer = jnp.asarray(permutation(task)), features.answer_digit(problems, task.base, digit)
    step = 1 - 2 * features.carry(problems, task.base, digit)
    right, flipped = ids[answer][:, None], ids[(answer + step) % task.base][:, None]

    def answered(edits):
        logits = run.logits(tokens, edits)[:, place]
        odds = jnp.take_along_axis(logits, flipped, 1) - jnp.take_along_axis(logits, right, 1)
        return odds[:, 0], logits.argmax(-1, keepdims=True)

    before, _ = answered({})
    after, said = answered({site: lambda x: x.at[:, position].set(edited)})
    shares = (said == flipped).mean(), (said == right).mean()
    return Flips(*shares, 1 - sum(shares), (after - before).mean())
