"""Does multi-digit addition use trigonometry, as modular addition does, or a table?

    python -m experiments.mechanism.trig_or_table

Neurons over their digit pair, against controls.

The shared runs of n-digit addition (`experiments.frame.adder`: --digits 5, 1 layer, --d_model 128, --batch
256, --steps 2500, --seeds 16). Each neuron's, and each attention output's, mean activation over the two
digits of the column that is answered, from --each 20 problems for every pair, is compared with waves of the
one frequency that explains most of it (the 3×3 block of its 2D Fourier transform mod 10), with polynomials of
degree 2 (as many dimensions), functions of the sum mod 10, and either digit alone. Controls: digits in random
orders, cells in random order, the same runs before training. Restricted and excluded losses on --problems
500.
Time: 80 s on one core, once the runs are trained; GPU: not measured.

Found: trigonometric, in every digit alike. One frequency makes up .74 to .79 of the neurons' tables (.33 with
  the digits shuffled, .14 to .17 before training; .65 there in digit 4, whose position sees the leading
  answer digit); polynomials of as many dimensions .34 to .48. The tables are for .76 what either digit says
  alone, cos ka + cos kb, and hardly functions of the sum (.09): the sum is made after them. Attention hands
  on digits (.96 alone). Keeping only the waves of the tables the loss rises from .02 to .26 nats, keeping
  only polynomials to 2.6; without the waves it is 6.3. One frequency a neuron is not all: .24 of the tables
  lies outside and is worth these .24 nats.
"""

import functools
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float

from experiments.frame import adder, study
from experiments.frame.finding import Answer, Finding, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import digit_pair, evaluation_sets
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "each": 20, "problems": 500}
SMALL: dict[str, study.Setting] = {**adder.TINY, "each": 1, "problems": 20}
SITES = {"neurons": "blocks.0.mlp.post", "attention": "blocks.0.attn_out"}
ACTIVE = 0.1
"""A neuron counts in the picture where its digit pair makes up at least this share of its variance."""


class Kinds(NamedTuple):
    """Shares of the variance of a digit's tables, each unit weighing as much as its table varies: of what
    `digit_pair.made` names, of the waves of tables with digits and with cells shuffled; and how much of the
    units' variance is the digit pair's."""

    waves: Float[Array, " C"]
    powers: Float[Array, " C"]
    alone: Float[Array, " C"]
    modular_sum: Float[Array, " C"]
    sum: Float[Array, " C"]
    shuffled_digits: Float[Array, " C"]
    shuffled_cells: Float[Array, " C"]
    digit_pair: Float[Array, " C"]


class Units(NamedTuple):
    """Of each unit: the share of its best frequency in its table and in the shuffled one.

    digit_pair: the share of its variance that its digit pair explains
    """

    waves: Float[Array, "C M"]
    shuffled: Float[Array, "C M"]
    digit_pair: Float[Array, "C M"]


class Losses(NamedTuple):
    """A digit's loss (nats) as it is; with nothing of the neurons' tables but their waves, or their
    polynomials; without either of these; and without tables."""

    whole: Float[Array, " C"]
    only_waves: Float[Array, " C"]
    only_powers: Float[Array, " C"]
    no_waves: Float[Array, " C"]
    no_powers: Float[Array, " C"]
    no_table: Float[Array, " C"]


def looked(fixed: evaluation_sets.Problems, site: str, run: Run) -> tuple[Kinds, Units]:
    """What the tables of a site are made of, for each digit."""
    found = digit_pair.tables(run, fixed, site=site)

    def of_digit(table: Array, variance: Array) -> tuple[Kinds, Units]:
        weight = table.var((0, 1))
        mean = lambda share: (share * weight).sum() / jnp.maximum(weight.sum(), 1e-20)
        best = lambda table: digit_pair.made(table).waves.max(0)
        made, key = digit_pair.made(table), random.key(0)
        digits, cells = digit_pair.shuffled_digits(key, table), digit_pair.shuffled_cells(key, table)
        shares = best(table), made.powers, made.alone, made.modular_sum, made.sum, best(digits), best(cells)
        kinds = Kinds(*[*map(mean, shares), weight.sum() / jnp.maximum(variance.sum(), 1e-20)])
        return kinds, Units(best(table), best(digits), weight / jnp.maximum(variance, 1e-20))

    return jax.lax.map(lambda pair: of_digit(*pair), tuple(found))


def losses(fixed: evaluation_sets.Problems, scored: evaluation_sets.Problems, run: Run) -> Losses:
    """The restricted and the excluded losses of every digit, by its neurons' tables."""
    found, rows = digit_pair.tables(run, fixed).means, []
    for place, digit in enumerate(digit_pair.answered(run.task)):
        table = found[place]
        middle = table.mean((0, 1))
        waves, powers = digit_pair.of_waves(table), digit_pair.of_powers(table)
        changes = jnp.stack(
            [0 * table, waves - table, powers - table, middle - waves, middle - powers, middle - table]
        )
        loss = functools.partial(digit_pair.loss_with, run, scored, digit=digit)
        rows.append(jax.lax.map(loss, changes))
    return Losses(*jnp.stack(rows, 1))


def measure(this: Study) -> Finding:
    """Tables of all runs before and after training."""
    sweep = adder.trained(this)
    fixed, scored = (
        evaluation_sets.balanced(sweep.task, this["each"]),
        evaluation_sets.drawn(sweep.task, this["problems"], seed=1),
    )
    ends = [sweep.epochs[0], sweep.epochs[-1]]
    found = {
        name: map_epochs(sweep, functools.partial(looked, fixed, site), ends) for name, site in SITES.items()
    }
    cut = Losses(
        *(values[0] for values in map_epochs(sweep, functools.partial(losses, fixed, scored), ends[-1:]))
    )
    panels = {
        f"digit {digit}": spread(found["neurons"][1], place)
        for place, digit in enumerate(digit_pair.answered(sweep.task))
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=answers({name: kinds for name, (kinds, _) in found.items()}, cut),
        numbers={
            name: {
                when: by_digit(Kinds(*(values[end] for values in kinds)))
                for end, when in enumerate(("start", "end"))
            }
            for name, (kinds, _) in found.items()
        }
        | {"losses": by_digit(cut)},
        plot=figures.cumulative(
            panels, xlabel="share of the neuron's table in waves of one frequency", ylabel="share of neurons"
        ),
    )


def spread(units: Units, place: int) -> dict[str, np.ndarray]:
    """The shares of one frequency over the active neurons of all runs, and their controls."""
    end, start = (units.digit_pair[epoch, :, place] >= ACTIVE for epoch in (1, 0))
    chosen = units.waves[1, :, place][end], units.shuffled[1, :, place][end], units.waves[0, :, place][start]
    return dict(zip(("trained", "digits shuffled", "before training"), map(np.asarray, chosen), strict=True))


def by_digit(kinds: Kinds | Losses) -> dict[str, list[statistics.Interval]]:
    """The means over the runs, for each digit from the units."""
    return {
        name: [statistics.mean(values[:, place]) for place in range(values.shape[1])]
        for name, values in kinds._asdict().items()
    }


def answers(found: dict[str, Kinds], cut: Losses) -> list[Answer]:
    """What it says to the notes; per run the mean over the digits."""
    kinds, attention = (Kinds(*(values[1].mean(1) for values in found[name])) for name in SITES)
    before = np.asarray(found["neurons"].waves[0].mean(1))
    loss = Losses(*(values.mean(1) for values in cut))
    mean = lambda values, form=".2f": said(statistics.mean(np.asarray(values)), form)
    return [
        Answer(
            "001-52",
            "5-digit addition uses a variant of the trigonometric algorithm",
            "share of the neurons' tables over their digit pair (mean over digits) in waves of one "
            "frequency; the same with digits or cells "
            "shuffled, before training; in polynomials of degree 2; in functions of the sum mod 10; in "
            "either digit alone. Attention "
            "outputs: waves, polynomials, digits alone. Loss (nats): whole; tables restricted to waves, to "
            "polynomials; waves, "
            "polynomials excluded",
            f"waves {mean(kinds.waves)}; {mean(kinds.shuffled_digits)}, {mean(kinds.shuffled_cells)}, "
            f"{mean(before)}; polynomials "
            f"{mean(kinds.powers)}; sum {mean(kinds.modular_sum)}; alone {mean(kinds.alone)}. Attention: "
            f"{mean(attention.waves)}, "
            f"{mean(attention.powers)}, {mean(attention.alone)}. Loss {mean(loss.whole, '.3f')}; "
            f"{mean(loss.only_waves)}, "
            f"{mean(loss.only_powers)}; {mean(loss.no_waves)}, {mean(loss.no_powers)}",
            verdict(kinds, before, loss),
        )
    ]


def verdict(kinds: Kinds, before: Float[np.ndarray, " S"], loss: Losses) -> str:
    """Waves must beat both controls and their rival of as many dimensions, in the tables and in what the loss
    keeps.
    """
    above = lambda gap: (interval := statistics.mean(np.asarray(gap))).low is not None and interval.low > 0
    controls = above(kinds.waves - kinds.shuffled_digits) and above(kinds.waves - before)
    if not controls:
        return "refuted: waves of one frequency make up no more than in the controls"
    if above(kinds.powers - kinds.waves) and above(loss.only_waves - loss.only_powers):
        return (
            "refuted: waves beat the controls, but polynomials in as many dimensions hold more of the "
            "tables and keep the loss lower"
        )
    if (
        above(kinds.waves - kinds.powers)
        and above(loss.only_powers - loss.only_waves)
        and above(kinds.waves - 0.5)
    ):
        return "confirmed"
    return (
        "open: waves beat the controls, but do not hold most of the tables and of the loss together; more "
        "training would tell"
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
