"""Does every seed learn a repeated subsequence and skip trigrams, and form induction heads?

    python -m experiments.formats.induction_and_skip_trigram

Attention only, --d_model 32 with 4 heads, --batch 32, rate 3e-3, no decay, --seeds 8. Repeated subsequence: 3
copies of --piece 5 tokens of 8 kinds in 25, 1 and 2 layers, --steps 4000, fresh batches. Skip trigrams: 10
triggers in 20 tokens, 1 layer, 600 steps, fresh and on 80% of 256 fixed examples. Phase change: the loss
falls below half of where it starts, ln(choices). Induction score: the mean attention to the token after the
last occurrence, on random tokens that repeat once; previous-token score: that to the token before; of the
head that is best on one half of the examples, scored on the other. An induction head has a score above .4;
one that looks everywhere alike has about .06.
Time: 2 minutes on two cores.
"""

import math
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.frame import study
from experiments.frame.bounds import above, below
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, mean, share, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import attention
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {
    "d_model": 32,
    "batch": 32,
    "steps": 4000,
    "vocabulary": 9,
    "piece": 5,
    "seeds": 8,
}
LARGE: dict[str, study.Setting] = {"seeds": 32, "steps": 10_000}
SMALL: dict[str, study.Setting] = {
    "d_model": 8,
    "batch": 8,
    "steps": 20,
    "vocabulary": 5,
    "piece": 3,
    "seeds": 2,
}
FIXED_TRIGRAMS, EXAMPLES = 256, 256
SHORT = 600
"""Steps of skip trigrams, at most."""
HEAD = 0.4
"""The induction score above which a head is an induction head."""
ONE, TWO = "repeats, 1 layer", "repeats, 2 layers"


def measure(this: Study) -> Finding:
    """Phase changes of every task, and the heads of one and two layers."""
    sweeps = sweeps_of(this)
    start = {name: math.log(this["vocabulary"] - 1 if name.startswith("repeats") else 10) for name in sweeps}
    changes = {
        name: {kind: change(sweep, kind, start[name]) for kind in ("loss", "test_loss")}
        for name, sweep in sweeps.items()
    }
    heads = {name: scores(this, sweeps[name]) for name in (ONE, TWO)}
    return Finding(
        task="repeated subsequence (induction) and skip trigram",
        size=f"attention only, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 3e-3, "
        f"{this['steps']} and {min(this['steps'], SHORT)} steps",
        seeds=this.seeds,
        answers=[
            trained(changes, {name: sweep.metrics["loss"].shape[1] for name, sweep in sweeps.items()}),
            formed(changes, heads),
        ],
        numbers={
            name: dict(test_loss_at_the_end=statistics.mean(sweep.metrics["test_loss"][:, -1].mean(-1)))
            for name, sweep in sweeps.items()
        },
        plot=pictured(sweeps, heads, start[ONE]),
    )


def pictured(sweeps: dict[str, Sweep], heads: dict[str, Any], guess: float) -> figures.Plot:
    """Both scores and the test loss over training, with one and with two layers."""
    steps = {name: [sweeps[name].steps(epoch) for epoch in sweeps[name].epochs] for name in heads}
    points = lambda name, found: figures.Points(steps[name], [statistics.mean(values) for values in found])
    panels = {
        "induction score": {name: points(name, found[0]) for name, found in heads.items()},
        "previous-token score": {name: points(name, found[1]) for name, found in heads.items()},
        "test loss": {name: points(name, losses(sweeps[name], steps[name])) for name in heads},
    }
    attention = "attention, mean of runs"
    return figures.points(
        panels,
        xlabel="optimiser step",
        ylabel=dict(zip(panels, (attention, attention, "nats, mean of runs"), strict=True)),
        sharey=False,
        levels={"induction score": [("induction head", HEAD)], "test loss": [("guess", guess)]},
    )


def sweeps_of(this: Study) -> dict[str, Sweep]:
    """The runs of every task."""
    model = dict(d_model=this["d_model"], mlp=False, weight_decay=0, learning_rate=3e-3)
    piece = dict(
        task="induction",
        vocabulary=this["vocabulary"],
        piece_length=this["piece"],
        length=3 * this["piece"] + 10,
        save="every:5",
    )
    short = min(this["steps"], SHORT)
    return {
        ONE: this.sweep("induction_1", layers=1, batch=this["batch"], **piece, **model),
        TWO: this.sweep("induction_2", layers=2, batch=this["batch"], **piece, **model),
        "skip trigram": this.sweep(
            "trigram", task="skip_trigram", batch=this["batch"], **{**model, "steps": short}
        ),
        "skip trigram, fixed": this.sweep(
            "trigram_fixed",
            task="skip_trigram",
            num_examples=FIXED_TRIGRAMS,
            train_fraction=0.8,
            **{**model, "steps": short},
        ),
    }


def change(sweep: Any, kind: str, start: float) -> statistics.Times:
    """When the mean loss of each run falls below half of where it starts."""
    curves = sweep.metrics[kind].mean(-1)
    return statistics.until_below(
        curves,
        start / 2,
        steps=sweep.metrics["test_step"] if kind == "test_loss" else None,
        smoothing=1 if kind == "test_loss" else 11,
    )


def losses(sweep: Any, steps: list[int]) -> np.ndarray:
    """The mean test loss [E, S] at these steps."""
    at = sweep.metrics["test_step"]
    return np.stack([sweep.metrics["test_loss"][:, np.abs(at - step).argmin()].mean(-1) for step in steps])


def scores(this: Study, sweep: Any) -> tuple[np.ndarray, np.ndarray]:
    """Induction and previous-token score [E, S] of the best head of each run, chosen on one half of random
    tokens that repeat once, and scored on the other.
    """
    period = sweep.task.num_positions // 2
    once = jax.random.randint(jax.random.key(0), (EXAMPLES, period), 1, this["vocabulary"])
    tokens = jnp.tile(once, 3)[:, : sweep.task.num_positions]

    def best(run: Run) -> Any:
        halves = [attention.patterns(run, half) for half in (tokens[::2], tokens[1::2])]

        def of_head(first: int, last: int) -> Any:
            chosen, scored = (attention.at_distance(half, first, last) for half in halves)
            return scored.ravel()[chosen.argmax()]

        return of_head(period - 1, period), of_head(1, 1)

    return map_epochs(sweep, best)


def trained(changes: dict[str, dict[str, statistics.Times]], steps: dict[str, int]) -> Result:
    """002-03: the phase changes."""
    rows = {
        f"{name.replace(', ', '_').replace(' ', '_')}_{kind}": time(
            f"{kind.replace('_', ' ')} below half of its start, {name}", times, steps[name]
        )
        for name, found in changes.items()
        for kind, times in found.items()
    }
    done = all(found["loss"].ended.mean() > 0.5 for found in changes.values())
    return Result(
        "002-03",
        "Both tasks train: the test loss halves at {repeats_2_layers_test_loss} on repeats with two layers, "
        "at {skip_trigram_test_loss} on skip trigrams.",
        rows,
        "Built if in every task, with fresh and with fixed data, the training loss of more than half of "
        "the runs falls below half of where it starts.",
        "built: python -m experiments.seed_sweep --task induction (skip_trigram, addition)"
        if done
        else "open: most runs of a task have not fallen that far; more steps would tell",
        ["Addition of 5 digits, the third task, is in plateaus.exit_times."],
    )


def formed(changes: dict[str, dict[str, statistics.Times]], heads: dict[str, Any]) -> Result:
    """001-31: induction heads of one and of two layers."""
    rows: dict[str, Measured] = {}
    for key, name in (("one", ONE), ("two", TWO)):
        induction, previous = heads[name]
        runs = induction.shape[1]
        rows |= {
            f"{key}_heads": share(
                f"runs with an induction head, {name}", int((induction[-1] > HEAD).sum()), runs
            ),
            f"{key}": mean(f"induction score at the end, {name}", induction[-1], ""),
            f"{key}_start": mean(f"induction score before training, {name}", induction[0], ""),
            f"{key}_rise": mean(f"rise of the induction score, {name}", induction[-1] - induction[0], ""),
            f"{key}_previous": mean(f"previous-token score at the end, {name}", previous[-1], ""),
            f"{key}_learned": share(
                f"runs whose test loss has halved, {name}", int(changes[name]["test_loss"].ended.sum()), runs
            ),
        }
    most, few, rises = (
        above(rows["two_heads"], 0.5),
        below(rows["two_heads"], 0.5),
        above(rows["two_rise"], 0),
    )
    return Result(
        "001-31",
        "The best head's induction score is {two} with two layers, {one} with one.",
        rows,
        "Confirmed if more than half of the runs of two layers, and fewer than half of one layer, have a "
        f"head with a score above {HEAD:g} (Wilson's whole interval). If fewer do with two layers: mixed "
        "if the score has risen, refuted if not, provided most runs have learned the task.",
        "open: most runs of two layers have not learned the task; more steps would tell"
        if not above(rows["two_learned"], 0.5)
        else "confirmed"
        if most and below(rows["one_heads"], 0.5)
        else "mixed: confirmed that a head turns to the token after the last occurrence, refuted that it "
        "gives it most of its attention"
        if few and rises
        else "refuted"
        if few
        else "open: about half of the runs have one; more runs or steps would tell",
        ["Repeated subsequences, attention only; addition is not measured."],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
