"""Frozen attention is a sum of tables, live attention is not: answers of `additive_bounds`."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from experiments.frame.measured import Measured, exact, interval
from experiments.frame.result import Result
from grokjax import presets, tasks
from grokjax.curves import statistics
from grokjax.run import Run


class Interaction(NamedTuple):
    """By how much a random model's log-odds are no sum of tables, and an edited value's effect differs over
    the other token; relative.
    """

    of_logits: float
    of_edit: float


def interaction(seed: int, attention: str) -> Interaction:
    """The interactions in a random model without MLP that reads `x + y =`."""
    task = tasks.Addition(num_digits=1, mode="single", digit=0)
    config, recipe, hyper = presets.notes(task, d_model=64, mlp=False, attention=attention)
    run = Run.init(task, config, recipe, hyper.replace(seed=seed, init_scale=2.0))
    x, y = np.divmod(np.arange(100), 10)
    tokens = jnp.asarray(task.encode(x[:, None], y[:, None]).tokens)
    add = lambda v: v.at[:, 0].add(jnp.where(tokens[:, :1, None] == 3, 1.0, 0.0))
    before, after = (
        np.asarray(run.logits(tokens, edits)[:, 0], np.float64).reshape(10, 10, 10)
        for edits in (None, {"blocks.0.attn.v": add})
    )
    odds = before - before[..., :1]
    mixed = odds - odds.mean(0) - odds.mean(1, keepdims=True) + odds.mean((0, 1))
    shift = (after - before)[3] - (after - before)[3][:, :1]
    return Interaction(
        float(np.abs(mixed).max() / odds.std()),
        float(np.abs(shift - shift.mean(0)).max() / np.abs(shift).max()),
    )


def on_models(frozen: list[Interaction], live: list[Interaction]) -> list[Result]:
    """Frozen attention is additive, live attention is not."""
    logits, edit = (lambda x: x.of_logits), (lambda x: x.of_edit)

    def both(of: Any, what: str) -> dict[str, Measured]:
        return dict(
            frozen=exact(
                f"{what}, frozen attention, largest of {len(frozen)}", max(of(x) for x in frozen), ""
            ),
            live=interval(
                f"{what}, live attention, median", statistics.median([of(x) for x in live]), "", len(live)
            ),
        )

    rule = "Confirmed if it is below 1e-4, the rounding of float32, in every frozen model."
    rows = both(logits, "interaction of the two tokens in the log-odds, over their spread")
    edited = both(edit, "how far an edit's effect differs over the other token, over its size")
    return [
        Result(
            "004-05",
            "In frozen attention they multiply exactly, up to {frozen}; in live attention the tokens "
            "interact, {live} of the "
            "spread.",
            rows,
            rule,
            "confirmed" if (rows["frozen"].value or 0) < 1e-4 else "refuted",
            ["The note's model is the frozen one. The models are random, not trained."],
        ),
        Result(
            "004-06",
            "In frozen attention the shift is the same at all y, up to {frozen}; in live attention it "
            "differs by {live}.",
            edited,
            rule,
            "confirmed" if (edited["frozen"].value or 0) < 1e-4 else "refuted",
            ["The note's model is the frozen one. The models are random, not trained."],
        ),
    ]
