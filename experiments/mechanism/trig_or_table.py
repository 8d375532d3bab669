"""Does multi-digit addition use trigonometry, as modular addition does, or a table?

    python -m experiments.mechanism.trig_or_table

Neurons over their digit pair, against controls.

The shared runs of n-digit addition (`experiments.frame.adder`: --digits 5, 1 layer, --d_model 128, --batch
256, --steps 2500, --seeds 16). Each neuron's mean activation over the two digits of the column that is
answered, from --each 20 problems for every pair, is a table of 100 cells. Every description chooses its
form and its coefficients on a random half of the cells, and is scored on the other half: waves of one of
the 5 frequencies (the 3×3 block, 9 coefficients), polynomials of degree 2 in each digit (9), a function of
a + b (19), a function of each digit (19), and a ReLU of a line (one of 84 lines, 2 coefficients). Controls:
digits in random orders, the same runs before training. Restricted and excluded losses on --problems 500.
Time: 3 minutes on one core, once the runs are trained; GPU: not measured.

Changed after a first look: the best of 5 frequencies stood against one polynomial, and was scored on the
cells that it was chosen on.
"""

import functools
import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from experiments.frame import adder, study
from experiments.frame.finding import Finding
from experiments.frame.measured import mean
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import map_epochs
from grokjax.curves import statistics
from grokjax.interp.addition import digit_pair, evaluation_sets
from grokjax.run import Run

DEFAULTS: dict[str, study.Setting] = {**adder.SIZE, "each": 20, "problems": 500}
SMALL: dict[str, study.Setting] = {**adder.TINY, "each": 1, "problems": 20}
SITE = "blocks.0.mlp.post"
ACTIVE = 0.1
"""A neuron counts in the picture where its digit pair makes up at least this share of its variance."""


FAMILIES = ("waves", "polynomials", "sum", "each digit", "line")


class Losses(NamedTuple):
    """A digit's loss (nats) as it is; with nothing of the neurons' tables but their waves, or their
    polynomials; without either of these; and without tables."""

    whole: Float[Array, " C"]
    only_waves: Float[Array, " C"]
    only_powers: Float[Array, " C"]
    no_waves: Float[Array, " C"]
    no_powers: Float[Array, " C"]
    no_table: Float[Array, " C"]


def tabled(fixed: evaluation_sets.Problems, run: Run) -> tuple[Array, Array]:
    """The neurons' tables over the digit pair [C, b, b, M], and their share of the neurons' variance."""
    found = digit_pair.tables(run, fixed, site=SITE)
    return found.means, found.means.var((1, 2)) / jnp.maximum(found.variance, 1e-20)


def described(
    tables: Float[np.ndarray, "N b b"], families: Sequence[str] = FAMILIES, seed: int = 0
) -> dict[str, Float[np.ndarray, " N"]]:
    """The share of each table's variance that each family foretells on the half of its cells that nothing was
    chosen on.
    """
    base = tables.shape[1]
    a, b = (x.ravel() for x in np.indices((base, base)))
    cells = tables.reshape(len(tables), -1).astype(np.float32)
    chosen = np.random.default_rng(seed).permutation(base**2) < base**2 // 2
    one_hot = lambda x: (x[:, None] == np.unique(x)).astype(float)
    wave = lambda x, k: np.stack(
        [np.ones(len(x)), np.cos(2 * np.pi * k * x / base), np.sin(2 * np.pi * k * x / base)], 1
    )
    power = lambda x: np.stack([np.ones(len(x)), x / base, (x / base) ** 2], 1)
    products = lambda x, y: (x[:, :, None] * y[:, None]).reshape(len(x), -1)
    lines = [
        np.stack([np.ones(len(a)), np.maximum(sign * (u * a + v * b - at), 0)], 1)
        for u, v in ((1, 0), (0, 1), (1, 1), (1, -1), (2, 1), (1, 2))
        for at in range(-base + 1, 2 * base - 1, 4)
        for sign in (1, -1)
    ]
    forms = {
        "waves": [products(wave(a, k), wave(b, k)) for k in range(1, base // 2 + 1)],
        "polynomials": [products(power(a), power(b))],
        "sum": [one_hot(a + b)],
        "each digit": [np.concatenate([one_hot(a), one_hot(b)], 1)],
        "line": lines,
    }
    return {name: foretold(cells, forms[name], chosen) for name in families}


def foretold(
    cells: Float[np.ndarray, "N Z"], forms: Sequence[Float[np.ndarray, "Z F"]], chosen: Bool[np.ndarray, " Z"]
) -> Float[np.ndarray, " N"]:
    """1 − the squared error over the variance on the cells that are not chosen, of the form that fits best on
    those that are; not below 0.
    """
    best, held = np.full(len(cells), np.inf), np.zeros(len(cells))
    for form in forms:
        # a little ridge: half of the cells may leave a direction open
        inner = form[chosen]
        solve = np.linalg.solve(inner.T @ inner + 1e-3 * np.eye(form.shape[1]), inner.T)
        fit = cells[:, chosen] @ solve.T @ form.T
        error = ((fit - cells) ** 2)[:, chosen].sum(1)
        rest = ((fit - cells) ** 2)[:, ~chosen].sum(1)
        held = np.where(error < best, rest, held)
        best = np.minimum(best, error)
    spread = ((cells - cells.mean(1, keepdims=True)) ** 2)[:, ~chosen].sum(1)
    return np.maximum(1 - held / np.maximum(spread, 1e-20), 0)


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
    tables, explained = (np.asarray(x) for x in map_epochs(sweep, functools.partial(tabled, fixed), ends))
    shuffled = in_random_order(tables[-1])
    of = {
        "trained": shares(tables[-1]),
        "digits shuffled": shares(shuffled, ("waves",)),
        "before training": shares(tables[0], ("waves",)),
    }
    cut = Losses(
        *(values[0] for values in map_epochs(sweep, functools.partial(losses, fixed, scored), ends[-1:]))
    )
    active = explained[-1] >= ACTIVE
    panels = {
        f"digit {digit}": {name: of["trained"][name][:, place][active[:, place]] for name in FAMILIES}
        for place, digit in enumerate(digit_pair.answered(sweep.task))
    }
    weight = tables.var((-3, -2))
    whole = {
        name: weighed(of[which][family], weight[0 if which == "before training" else -1])
        for name, (which, family) in {
            **{family: ("trained", family) for family in FAMILIES},
            "shuffled": ("digits shuffled", "waves"),
            "before": ("before training", "waves"),
        }.items()
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant digit first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[answer(whole, cut)],
        numbers=dict(
            foretold={name: statistics.mean(values) for name, values in whole.items()}, losses=by_digit(cut)
        ),
        plot=figures.cumulative(
            panels,
            xlabel="share of the neuron's table foretold on cells not chosen on",
            ylabel="share of neurons",
        ),
    )


def in_random_order(tables: np.ndarray) -> np.ndarray:
    """The tables [S, C, b, b, M] with the digits of either operand in a random order."""
    random = np.random.default_rng(1)
    first, second = (random.permutation(tables.shape[2]) for _ in range(2))
    return tables[:, :, first][:, :, :, second]


def shares(tables: np.ndarray, families: Sequence[str] = FAMILIES) -> dict[str, np.ndarray]:
    """What each family foretells of each neuron's table, [S, C, M]."""
    runs, digits, base, _, units = tables.shape
    flat = np.moveaxis(tables, -1, 2).reshape(-1, base, base)
    return {name: values.reshape(runs, digits, units) for name, values in described(flat, families).items()}


def weighed(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The mean over digits and neurons of every run [S], each neuron weighing as much as its table varies."""
    return (values * weight).sum(-1).mean(1) / np.maximum(weight.sum(-1).mean(1), 1e-20)


def by_digit(kinds: Losses) -> dict[str, list[statistics.Interval]]:
    """The means over the runs, for each digit from the units."""
    return {
        name: [statistics.mean(values[:, place]) for place in range(values.shape[1])]
        for name, values in kinds._asdict().items()
    }


def answer(whole: dict[str, np.ndarray], cut: Losses) -> Result:
    """001-52; per run the mean over the digits."""
    whole_loss, only_waves, only_powers, no_waves, no_powers, _ = (
        np.asarray(values).mean(1) for values in cut
    )
    rivals = [name for name in FAMILIES if name != "waves"]
    best = max(rivals, key=lambda name: float(whole[name].mean()))
    above = lambda gap: (found := statistics.mean(gap)).low is not None and found.low > 0
    ahead = all(above(whole["waves"] - whole[name]) for name in (*rivals, "shuffled", "before"))
    enough = above(2 * whole_loss - only_waves)
    return Result(
        "001-52",
        f"Waves foretell {{waves}} of a neuron's table on cells not chosen on, the best rival ({best}) "
        f"{{rival}}.",
        dict(
            waves=mean("foretold by waves of one frequency", whole["waves"], ""),
            rival=mean(f"foretold by the best rival: {best}", whole[best], ""),
            **{name.replace(" ", "_"): mean(f"foretold by {name}", whole[name], "") for name in rivals},
            shuffled=mean("foretold by waves, digits in random orders", whole["shuffled"], ""),
            before=mean("foretold by waves, before training", whole["before"], ""),
            loss=mean("loss", whole_loss, "nats"),
            only_waves=mean("loss with the waves of the tables alone", only_waves, "nats"),
            only_powers=mean("loss with polynomials of the tables alone", only_powers, "nats"),
            no_waves=mean("loss without the waves", no_waves, "nats"),
            no_powers=mean("loss without the polynomials", no_powers, "nats"),
        ),
        "Tables: confirmed if waves foretell more than every rival and both controls, paired over runs. "
        "Algorithm: confirmed "
        "if with the waves alone the loss is less than twice the whole.",
        "confirmed"
        if ahead and enough
        else f"mixed: {'confirmed' if ahead else 'refuted'} of the neurons' tables, "
        f"{'confirmed' if enough else 'refuted'} that nothing else is needed"
        if ahead or enough
        else "refuted",
        [
            "Waves of one frequency hold those of either digit alone; what `each digit` foretells is in "
            "part theirs.",
            "Logits that are right are functions of a + b − c whatever the algorithm: they do not tell.",
        ],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
