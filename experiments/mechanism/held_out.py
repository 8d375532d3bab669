"""Are digit pairs that never occurred in training added right, and where do tokens get their order from?

    python -m experiments.mechanism.held_out

--digits 2, sequence mode, most significant digit first, --d_model 64 with 4 heads, --batch 128, decay .5,
--steps 4000, --seeds 16. About --counts 10,50 of the 100 digit pairs, both orders of each, occur in no column
of training; the accuracy is that of the units, over all problems. The pairs are drawn --draws 4 times, and
intervals, by resampling, hold the error of runs and of draws. Relabelled: the digits' tokens are permuted;
two times count as equal within a factor of 1.25. The order of the digits: how well a linear map reads a
digit's value, and its place on a circle (the best of the frequencies 1 to 4), off the row of W_E of a digit
that it was not fitted to.
Modular addition mod 23 beside it: accuracy on the table shown and on the rest, of 30 to 90% shown, every run
with a split of its own.
Time: 23 minutes on two cores that others used too; GPU: not measured.

Changed after a referee: shares have an interval by resampling, which stays between 0 and 1; 001-54 has a
verdict for every share shown.
"""

import sys
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from experiments.mechanism.held_out_answers import FALLEN, named, shown
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.interp import number_line
from grokjax.interp.addition import predictions
from grokjax.interp.addition.evaluation_sets import every
from grokjax.run import Run
from grokjax.tasks.layout import permutation

DEFAULTS: dict[str, study.Setting] = {
    "digits": 2,
    "d_model": 64,
    "batch": 128,
    "steps": 4000,
    "counts": (10, 50),
    "draws": 4,
    "modulus": 23,
    "seeds": 16,
}
LARGE: dict[str, study.Setting] = {"draws": 16, "seeds": 32, "steps": 10_000}
SMALL: dict[str, study.Setting] = {
    "digits": 1,
    "d_model": 8,
    "batch": 16,
    "steps": 20,
    "counts": (20,),
    "draws": 2,
    "modulus": 5,
    "seeds": 2,
}
MEANINGS = {"draws": "random draws of the digit pairs that are held out"}
RELABEL = 1
FRACTIONS = (0.3, 0.6, 0.9)


def measure(this: Study) -> Finding:
    """Accuracy on shown and on held-out pairs; relabelled runs beside plain ones; the order of the digits in
    W_E.
    """
    options = {name: this[name] for name in ("digits", "d_model", "batch")}
    plain = this.sweep("plain", **options)
    renamed = this.sweep("relabelled", relabel=RELABEL, **options)
    sizes, pairs, order = {}, {}, {"plain": in_embedding(plain), "relabelled": in_embedding(renamed)}
    for count in this["counts"]:
        hidden = [drawn_pairs(count, draw) for draw in range(this["draws"])]
        sweeps = [
            this.sweep(f"held_out_{count}_draw_{draw}", held_out=tuple(one), **options)
            for draw, one in enumerate(hidden)
        ]
        parts = [on_pairs(sweep) for sweep in sweeps]
        sizes[count] = float(np.mean([len(one) for one in hidden]))
        pairs[count] = [np.stack([part[i] for part in parts], 1) for i in range(2)]
        order[f"{count} pairs held out"] = in_embedding(sweeps[0])
    table = on_table(this)
    digits = range(this["digits"] + 1)
    times = {
        name: [statistics.until_below(sweep.metrics["loss"][:, :, digit], FALLEN) for digit in digits]
        for name, sweep in (("plain", plain), ("relabelled", renamed))
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant first; addition mod "
        f"{this['modulus']}",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']} (mod: the whole table), "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[shown(this["modulus"], pairs, table, this["steps"]), named(times, order, this["steps"])],
        numbers={
            "held_out": {
                str(count): dict(
                    pairs=[f"{a}+{b}" for a, b in drawn_pairs(count, 0)],
                    never_shown_by_draw=pairs[count][1].mean(0),
                )
                for count in this["counts"]
            },
            "step_of_loss_below_1_by_digit": {name: [one.median for one in of] for name, of in times.items()},
        },
        plot=pictured(this["modulus"], sizes, pairs, table),
    )


def on_table(this: Study) -> dict[float, list[Float[np.ndarray, " S"]]]:
    """Each run's accuracy of modular addition, by the fraction shown: on what was shown, and on the rest."""
    modular = this.sweep(
        "modular", task="modular", modulus=this["modulus"], d_model=this["d_model"], train_fraction=FRACTIONS
    )
    return {
        fraction: [
            modular.metrics[name][np.isclose(modular.hypers.train_fraction, fraction), -1, 0]
            for name in ("accuracy", "test_accuracy")
        ]
        for fraction in FRACTIONS
    }


def drawn_pairs(count: int, draw: int) -> list[tuple[int, int]]:
    """Digit pairs with both orders of each, `count` of the 100 or one more."""
    both = [{(a, b), (b, a)} for a in range(10) for b in range(a, 10)]
    chosen: list[tuple[int, int]] = []
    for i in np.random.default_rng(draw).permutation(len(both)):
        if len(chosen) < count:
            chosen += sorted(both[i])
    return sorted(chosen)


def on_pairs(sweep: Sweep) -> tuple[Float[np.ndarray, " S"], Float[np.ndarray, " S"]]:
    """Each run's accuracy of the units over all problems of shown digit pairs, and over those whose units'
    pair was never shown.
    """
    problems = every(sweep.task)
    hidden = np.zeros((10, 10), bool)
    hidden[tuple(np.array(sweep.task.held_out).T)] = True
    inside = hidden[problems.a, problems.b]
    groups = ~inside.any(1), inside[:, 0] & ~inside[:, 1:].any(1)
    answer, tokens = jnp.asarray((problems.a + problems.b)[:, 0] % 10), jnp.asarray(problems.tokens)

    def right(run: Run) -> Any:
        return predictions.log_probabilities(run, tokens, 0).argmax(-1) == answer

    found = map_epochs(sweep, right, sweep.epochs[-1:])[0]
    return found[:, groups[0]].mean(1), found[:, groups[1]].mean(1)


def in_embedding(sweep: Sweep) -> dict[str, Float[np.ndarray, " S"]]:
    """R² with which value and circle are read off rows of digits left out, at the start and at the end."""
    value = jnp.arange(10.0)
    angles = [2 * np.pi * k * value / 10 for k in range(1, 5)]
    circle = jnp.concatenate([jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1) for angle in angles], 1)
    found = {}
    for when, epoch in (("start", sweep.epochs[0]), ("end", sweep.epochs[-1])):
        rows = sweep.params(epoch)["W_E"][:, permutation(sweep.task)]
        found[f"value, {when}"] = np.array([number_line.left_out_r2(run, value[:, None])[0] for run in rows])
        found[f"circle, {when}"] = np.array(
            [number_line.left_out_r2(run, circle).reshape(4, 2).mean(1).max() for run in rows]
        )
    return found


def pictured(
    modulus: int,
    sizes: dict[int, float],
    pairs: dict[int, list[np.ndarray]],
    table: dict[float, list[np.ndarray]],
) -> figures.Plot:
    """Shares of right answers of every run, beside each other for every draw."""
    names = ("shown", "never shown")
    draws = {
        (count, draw): f"{size:.0f}, {chr(97 + draw)}"
        for count, size in sizes.items()
        for draw in range(pairs[count][0].shape[1])
    }
    panels = {
        "addition, units: digit pairs": {
            name: figures.Points.of_runs(
                list(draws.values()), [pairs[count][i][:, draw] for count, draw in draws]
            )
            for i, name in enumerate(names)
        },
        f"addition mod {modulus}: table": {
            name: figures.Points.of_runs(
                [f"{100 - 100 * fraction:.0f}" for fraction in FRACTIONS],
                [table[fraction][i] for fraction in FRACTIONS],
            )
            for i, name in enumerate(names)
        },
    }
    return figures.points(
        panels,
        xlabel={title: "percent never shown" + (", draw" if "pairs" in title else "") for title in panels},
        ylabel="share of right answers",
        joined=False,
        legend="a dot per run",
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
