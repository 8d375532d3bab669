"""What can logits that are a sum of tables, one per token, know?

    python -m experiments.theory.additive_bounds

The propositions of the note on frozen attention, each as a number.

Theory but for --seeds 8 random models, whose frozen attention is held to be such a sum; --joints 100 random
joint laws for the fitting.
Time: 8 s on two cores; GPU: not measured.
"""

import math
import sys
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.special import entr

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, exact, interval
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures, presets, tasks
from grokjax.curves import statistics
from grokjax.run import Run
from grokjax.theory import certificates, columns, experts, levels, sums

DEFAULTS: dict[str, study.Setting] = {"seeds": 8, "joints": 100}
SMALL: dict[str, study.Setting] = {"seeds": 2, "joints": 2}
NOISY, THREE, UNEVEN, CARRY = (
    "sum mod 10,\ncarry .45",
    "three tokens,\nmod 5",
    "mod 3,\nuneven",
    "carry of\none pair",
)
FLAT = ("XOR", "sum mod 10", NOISY, THREE)
SAME = 1e-9
"""Nats below which two losses are one."""


class Case(NamedTuple):
    """A joint law P(tokens, outcome), and the losses (nats) of five predictors of the outcome."""

    joint: np.ndarray
    additive: experts.Bound
    single: float
    product: float
    powers: float
    knowing_all: float


def case(joint: np.ndarray) -> Case:
    """The case of a law."""
    knowing_all = float((entr(joint).sum(-1) - entr(joint.sum(-1))).sum())
    return Case(
        joint,
        experts.additive(joint),
        min(experts.single(joint)),
        experts.product(joint),
        experts.powers(joint).loss,
        knowing_all,
    )


def of_sum(first: Any, second: Any, noise: float = 0.0) -> np.ndarray:
    """P(x, y, z): z is x + y, or with chance `noise` x + y + 1, both mod b."""
    size = len(first)
    x, y = np.indices((size, size))
    own = np.eye(size)[(x + y) % size] * (1 - noise) + np.eye(size)[(x + y + 1) % size] * noise
    return np.multiply.outer(np.asarray(first), np.asarray(second))[..., None] * own


def of_carry(base: int) -> np.ndarray:
    """P(x, y, carry) of two uniform digits."""
    x, y = np.indices((base, base))
    return np.eye(2)[(x + y >= base).astype(int)] / base**2


def of_three(base: int) -> np.ndarray:
    """P(x, y, w, z): z = x + y + w mod b, three uniform tokens."""
    return np.eye(base)[np.indices((base,) * 3).sum(0) % base] / base**3


def cases() -> dict[str, Case]:
    """The laws that the notes speak of, by name."""
    flat = lambda size: np.full(size, 1 / size)
    laws = {
        "XOR": of_sum(flat(2), flat(2)),
        "sum mod 10": of_sum(flat(10), flat(10)),
        NOISY: of_sum(flat(10), flat(10), 0.45),
        THREE: of_three(5),
        UNEVEN: of_sum((0.5, 0.3, 0.2), (0.5, 0.3, 0.2)),
        CARRY: of_carry(10),
    }
    return {name: case(joint) for name, joint in laws.items()}


def measure(this: Study) -> Finding:
    """Every claim beside its number."""
    found, random = cases(), random_laws(this["joints"])
    kinds = {
        "additive optimum": lambda x: x.additive.loss,
        "best single token": lambda x: x.single,
        "product of singles": lambda x: x.product,
        "best powers of it": lambda x: x.powers,
        "all tokens known": lambda x: x.knowing_all,
    }
    panels = {
        "": {
            name: figures.Points(list(found), [(value(x), None, None) for x in found.values()])
            for name, value in kinds.items()
        }
    }
    frozen, live = ([interaction(seed, kind) for seed in this.seeds] for kind in ("uniform", "live"))
    return Finding(
        task="additive logits f(x, z) + g(y, z) under exact joint laws",
        size="theory; frozen attention in random models of width 64, 4 heads, no MLP",
        seeds=this.seeds,
        answers=[*on_sums(found), *on_optimum(found, random), *on_models(frozen, live), *on_carries()],
        numbers={
            "laws": {name.replace("\n", " "): numbers(x) for name, x in found.items()},
            "random_laws": dict(count=len(random), largest_gap=max(x.gap for x in random)),
        },
        plot=figures.points(
            panels, xlabel="joint law of the tokens and the outcome", ylabel="loss (nats)", joined=False
        ),
    )


def numbers(x: Case) -> dict[str, float]:
    """The losses of a case."""
    return {
        "additive": x.additive.loss,
        "gap": x.additive.gap,
        **{name: getattr(x, name) for name in x._fields[2:]},
    }


def random_laws(count: int) -> list[experts.Bound]:
    """The bounds of random laws of two or three tokens, every second one with empty cells."""
    random = np.random.default_rng(0)
    draws = [
        random.random((4, 3, 2, 5)[k % 3 // 2 :])
        * (random.random((4, 3, 2, 5)[k % 3 // 2 :]) < (1, 0.5)[k % 2])
        for k in range(count)
    ]
    return [experts.additive(joint / joint.sum()) for joint in draws]


def on_sums(found: dict[str, Case]) -> list[Result]:
    """Whether additive logits beat the single tokens."""
    off = max(abs(found[name].additive.loss - math.log(found[name].joint.shape[-1])) for name in FLAT)
    noisy = max(
        abs(experts.additive(of_sum(np.full(b, 1 / b), np.full(b, 1 / b), q)).loss - math.log(b))
        for b in (2, 3, 5, 10)
        for q in (0.1, 0.3, 0.45, 0.5, 0.9)
    )
    uneven, carry = found[UNEVEN], found[CARRY]
    beaten = uneven.additive.loss < uneven.single - SAME
    same = f"within {SAME:g} nats of ln b in every law: confirmed; else refuted."
    return [
        Result(
            "004-01",
            "In general they can: additive logits reach {additive} where the best single token reaches "
            "{single}; "
            "where the outcome is flat given each token they cannot.",
            dict(
                additive=exact(
                    "additive optimum, sum mod 3 of digits with chances .5, .3, .2", uneven.additive.loss
                ),
                single=exact("best single token, the same law", uneven.single),
                off=exact("largest |additive optimum − ln b|, flat laws", off),
            ),
            f"Refuted if the optimum of any law is more than {SAME:g} nats below its best single token.",
            "refuted" if beaten else "confirmed",
            ["The note's own condition, a flat outcome, is 004-02."],
        ),
        Result(
            "004-02",
            "Yes: with sums of two or three flat tokens the best additive logits know nothing, to {off}.",
            dict(off=exact("largest |additive optimum − ln b|, b = 2, 5, 10", off)),
            f"Optimum {same}",
            "confirmed" if off < SAME else "refuted",
            ["Proven for any number of flat independent tokens in grokjax.theory.experts."],
        ),
        Result(
            "004-13",
            "Still nothing is known, however noisy the sum is, to {noisy}.",
            dict(noisy=exact("largest |additive optimum − ln b|, noise .1 to .9, b = 2 to 10", noisy)),
            f"Optimum {same}",
            "confirmed" if noisy < SAME else "refuted",
        ),
        Result(
            "001-50",
            "Additive logits do beat it: carry of one pair {additive}, best weighted product of the single "
            "odds {powers}.",
            dict(
                additive=exact("additive optimum, carry of one pair", carry.additive.loss),
                powers=exact("best w·ln P(c|a) + v·ln P(c|b), carry of one pair", carry.powers),
                additive_3=exact("additive optimum, uneven sum mod 3", uneven.additive.loss),
                powers_3=exact("best weighted product, uneven sum mod 3", uneven.powers),
                single=exact("best single token, carry of one pair", carry.single),
            ),
            "Refuted if additive logits lie more than 1e-5 nats below the best weighted product in either "
            "law.",
            "refuted" if max(x.powers - x.additive.loss for x in (uneven, carry)) > 1e-5 else "confirmed",
            ["Where the outcome is flat given each token all of these are ln b, 004-02."],
        ),
        Result(
            "001-51",
            "Additive logits go below the straightforward product: {additive} against {product}, carry of "
            "one pair.",
            dict(
                additive=exact("additive optimum, carry of one pair", carry.additive.loss),
                dual=exact("its dual bound", carry.additive.dual),
                product=exact("product of the single odds", carry.product),
            ),
            f"Refuted if the optimum lies more than {SAME:g} nats below the product.",
            "refuted" if carry.additive.loss < carry.product - SAME else "confirmed",
        ),
    ]


def on_optimum(found: dict[str, Case], random: list[experts.Bound]) -> list[Result]:
    """What the optimum looks like, and whether there is one only."""
    flat, uneven, xor = (right_odds(found[name]) for name in ("sum mod 10", UNEVEN, "XOR"))
    s = np.arange(1, 100_000) / 1e4
    least = float(s[np.argmin(s + 1 / s)])
    directions, curved = zip(
        *(curvature(x.joint, x.additive.law) for x in found.values() if x.additive.law.min() > 0), strict=True
    )
    total = max(abs(float(np.sum(signed_odds(seed)))) for seed in range(100))
    gap = max(x.gap for x in random)
    free, left = parameters()
    return [
        Result(
            "004-07",
            "For flat tokens yes, the right answer's log-odds differ by {flat}; for uneven ones no, by "
            "{uneven}.",
            dict(
                flat=exact("spread over cells at the optimum, flat sum mod 10", float(np.ptp(flat))),
                uneven=exact("spread over cells at the optimum, uneven sum mod 3", float(np.ptp(uneven))),
            ),
            f"Confirmed where the spread over cells is below {SAME:g} nats, refuted where it is above.",
            "mixed: confirmed in the note's own case, flat tokens; refuted for uneven ones"
            if np.ptp(flat) < SAME < np.ptp(uneven)
            else "confirmed"
            if np.ptp(uneven) < SAME
            else "refuted",
        ),
        Result(
            "004-08",
            "Yes, the minimum is at {least}.",
            dict(
                least=exact("where s + 1/s is least on a grid of step 1e-4", least, ""),
                value=exact("its value there", least + 1 / least, ""),
            ),
            "Confirmed if the least value on the grid is within a step of s = 1.",
            "confirmed" if abs(least - 1) < 1.5e-4 else "refuted",
        ),
        Result(
            "004-09",
            "Yes: every one of {directions} directions of logits that change probabilities is curved at "
            "the optimum.",
            dict(
                directions=exact(
                    "directions that change probabilities, laws without empty cells", sum(directions), ""
                ),
                curved=exact("of these, directions in which the loss is curved", sum(curved), ""),
            ),
            "Confirmed if the loss is curved in all directions of logits that change probabilities.",
            "confirmed" if directions == curved else "refuted",
        ),
        Result(
            "004-10",
            "Equal right log-odds leave {free} free parameter among all logits, and {left} among additive "
            "ones.",
            dict(
                free=exact("dimension of logits whose right log-odds are equal in all cells, XOR", free, ""),
                left=exact("dimension of additive logits among these", left, ""),
            ),
            "The claim is confirmed for a set of logits whose dimension is 1, refuted for one where it is "
            "not.",
            "mixed: confirmed before the invariant of 004-11; additive logits have none left"
            if (free, left) == (1, 0)
            else "confirmed"
            if left == 1
            else "refuted",
        ),
        Result(
            "004-11",
            "Yes: additive logits have right log-odds that sum to {total}, so all are {xor} at the optimum.",
            dict(
                total=exact("largest |sum of the four right log-odds|, 100 random additive logits", total),
                xor=exact("largest |log-odds| at the optimum of XOR", float(np.abs(xor).max())),
            ),
            f"Confirmed if both are below {SAME:g}.",
            "confirmed" if np.abs(xor).max() < SAME and total < SAME else "refuted",
            ["For b symbols it is proven by duality in grokjax.theory.experts."],
        ),
        Result(
            "004-12",
            "Iterative proportional fitting finds the optimum for any margins, with a proof: duality gap "
            "at most {gap}.",
            dict(gap=exact(f"largest duality gap, {len(random)} random laws", gap)),
            f"Built if the gap is below {SAME:g} nats in every law.",
            "built: grokjax.theory.experts.additive"
            if gap < SAME
            else "open: the gap is wide; more sweeps would close it",
        ),
    ]


def parameters() -> tuple[int, int]:
    """The dimension of XOR's logits with equal right log-odds in all cells; of additive ones among them."""
    x, y = np.divmod(np.arange(4), 2)
    equal = np.diff(np.eye(4), axis=0)
    signed = np.where(x == y, -1, 1)[:, None] * np.stack([np.ones(4), x, y], 1)
    among = 1 + 3 - int(np.linalg.matrix_rank(np.column_stack([np.ones(4), signed])))
    return 4 - int(np.linalg.matrix_rank(equal)), among


def right_odds(x: Case) -> np.ndarray:
    """The log-odds of the right answer, the sum, in every cell of the optimum."""
    right = np.array([x.additive.law[i, j, (i + j) % len(x.joint)] for i, j in np.ndindex(x.joint.shape[:2])])
    return np.log(right / (1 - right)) if len(x.joint) == 2 else np.log(right)


def signed_odds(seed: int) -> np.ndarray:
    """The right answer's log-odds in the cells of XOR for random additive logits."""
    by_x, by_y = np.random.default_rng(seed).normal(size=(2, 2, 2))
    logits = by_x[:, None] + by_y[None]
    return (logits[..., 1] - logits[..., 0]) * np.array([[-1, 1], [1, -1]])


def curvature(joint: np.ndarray, law: np.ndarray) -> tuple[int, int]:
    """How many directions of additive logits change probabilities, and in how many of them the loss is curved
    at the optimum.
    """
    features, flat = certificates.one_hot(joint.shape[:-1]), law.reshape(-1, law.shape[-1])
    hessian = certificates.hessian(features, joint.sum(-1).ravel(), flat)
    return int(np.linalg.matrix_rank(features)) * (law.shape[-1] - 1), int(
        np.linalg.matrix_rank(hessian, tol=1e-9)
    )


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


def on_carries() -> list[Result]:
    """The exact chances of carries, and their levels."""
    chance = [columns.carry_probability(10, k) for k in (1, 2, 3)]
    nats, wrong = [sums.binary_entropy(c) for c in chance], sums.binary_entropy(0.1)
    off, near, where = min(
        (abs(row.nats - wrong), row.nats, f"digit {row.digit} of {n}, {row.known}")
        for n in range(2, 6)
        for order in levels.ORDERS
        for row in levels.named(10, n, order)
        if row.nats
    )
    rows = {
        f"digit_{k}": exact(f"chance of a carry into digit {k}", float(c), "")
        for k, c in enumerate(chance, 1)
    }
    shelves = {f"digit_{k}": exact(f"level h(c), digit {k}", x) for k, x in enumerate(nats, 1)}
    return [
        Result(
            "001-02",
            "Exactly: a carry comes into the second digit with chance {digit_1}; higher digits are nearer "
            "to one half.",
            rows,
            "Confirmed if the enumerated chance is 9/20.",
            "confirmed" if chance[0] * 20 == 9 else "refuted",
        ),
        Result(
            "001-63",
            "Nowhere: the addition table is right half of the time, and the level nearest to {wrong} is "
            "{near}.",
            dict(
                wrong=exact("h(.1), the level that the note expects", wrong),
                near=exact(f"nearest level of 2 to 5 digits, both orders: {where}", near),
                **rows,
            ),
            "Refuted if no level of any information set lies within .02 nats of h(.1).",
            "refuted"
            if off > 0.02
            else "open: a level lies within .02 nats; an atlas of runs would settle it",
        ),
        Result(
            "001-64",
            "Yes, nearly: the level is {digit_1} for the second digit and {digit_2} for the third.",
            shelves,
            "Confirmed if the levels of digits 1 to 3 lie within .01 nats of ln 2.",
            "confirmed" if all(abs(x - math.log(2)) < 0.01 for x in nats) else "refuted",
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
