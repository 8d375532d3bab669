"""What can logits that are a sum of tables, one per token, know?

    python -m experiments.theory.additive_bounds

The propositions of the note on frozen attention, each as a number.

Theory but for --seeds 8 random models, whose frozen attention is held to be such a sum; --joints 100 random
joint laws for the fitting.
Time: 8 s on two cores; GPU: not measured.

Found: where the outcome is flat given each token, additive logits know nothing: ln b to 1e-15, for 2 and 3
  tokens, however noisy the sum. In general they beat the best single token (mod 3 with chances .5, .3, .2:
  .960743 against 1.029653; carry of one pair: 0 against .491187), and the product of the single odds, with
  powers or without, is not the best of them (carry: .2296, .0624 with powers). A frozen model's log-odds are
  additive to 1e-6, a live one's are not: in random models a third of their spread.
"""

import math
import sys
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.special import entr

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, said
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


def on_sums(found: dict[str, Case]) -> list[Answer]:
    """Whether additive logits beat the single tokens."""
    off = max(abs(found[name].additive.loss - math.log(found[name].joint.shape[-1])) for name in FLAT)
    noisy = max(
        abs(experts.additive(of_sum(np.full(b, 1 / b), np.full(b, 1 / b), q)).loss - math.log(b))
        for b in (2, 3, 5, 10)
        for q in (0.1, 0.3, 0.45, 0.5, 0.9)
    )
    uneven, carry = found[UNEVEN], found[CARRY]
    beaten = uneven.additive.loss < uneven.single - SAME
    return [
        Answer(
            "004-01",
            "frozen attention cannot predict a mixed function of two tokens better than either",
            "additive optimum: |it − best single token|, flat sums; both, mod 3 with chances (.5, .3, .2)",
            f"{off:.1g}; {uneven.additive.loss:.6f} against {uneven.single:.6f}",
            "refuted: it holds where the outcome is flat given each token"
            if beaten and off < SAME
            else "confirmed",
        ),
        Answer(
            "004-02",
            "true if the outcome is flat given any single token",
            "largest |optimum − ln b| over sums of 2 and 3 flat tokens, b = 2, 5, 10; proof in "
            "grokjax.theory.experts",
            f"{off:.1g}",
            "confirmed" if off < SAME else "refuted",
        ),
        Answer(
            "004-13",
            "Z(x, y) is a distribution instead of a point",
            "largest |optimum − ln b| with noise .1 to .9 on the sum, b = 2 to 10",
            f"{noisy:.1g}: still ln b",
            "confirmed" if noisy < SAME else "refuted",
        ),
        Answer(
            "001-50",
            'cannot beat some "linear" combination of c|a and c|b',
            "additive optimum against the best w·ln P(c|a) + v·ln P(c|b) and the best single: uneven mod 3; "
            "carry of one pair",
            "; ".join(f"{x.additive.loss:.6f}, {x.powers:.6f}, {x.single:.6f}" for x in (uneven, carry)),
            "refuted: only for a flat outcome, see 004-02"
            if uneven.additive.loss < uneven.powers - 1e-5
            else "confirmed",
        ),
        Answer(
            "001-51",
            "no lower loss than the product of these",
            "carry of one pair: product of the single odds, additive optimum (dual)",
            f"{carry.product:.6f}; {carry.additive.loss:.6f} ({carry.additive.dual:.6f})",
            "refuted" if carry.additive.loss < carry.product - SAME else "confirmed",
        ),
    ]


def on_optimum(found: dict[str, Case], random: list[experts.Bound]) -> list[Answer]:
    """What the optimum looks like, and whether there is one only."""
    flat, uneven, xor = (right_odds(found[name]) for name in ("sum mod 10", UNEVEN, "XOR"))
    s = np.arange(1, 100_000) / 1e4
    least = float(s[np.argmin(s + 1 / s)])
    directions, curved = zip(
        *(curvature(x.joint, x.additive.law) for x in found.values() if x.additive.law.min() > 0), strict=True
    )
    total = max(abs(float(np.sum(signed_odds(seed)))) for seed in range(100))
    gap = max(x.gap for x in random)
    return [
        Answer(
            "004-07",
            "optimal: the right answer has the same log-odds at all y",
            "spread of the right answer's log-odds over cells at the optimum: flat mod 10; uneven mod 3",
            f"{np.ptp(flat):.1g}; {np.ptp(uneven):.3f}",
            "refuted: true for flat tokens (convexity, symmetry) alone"
            if np.ptp(flat) < SAME < np.ptp(uneven)
            else "confirmed",
        ),
        Answer(
            "004-08",
            "s + 1/s has its minimum 2 at exactly s = 1",
            "where it is least on a grid of step 1e-4, and its value",
            f"{least:.4f}, {least + 1 / least:.8f}",
            "confirmed" if abs(least - 1) < 1e-4 else "refuted",
        ),
        Answer(
            "004-09",
            "is that enough to constrain the optimal probabilities?",
            "directions of logits in which the loss is curved at the optimum, of those that change "
            "probabilities (laws without "
            "empty cells)",
            ", ".join(f"{a} of {b}" for a, b in zip(curved, directions, strict=True)),
            "confirmed" if directions == curved else "refuted",
        ),
        Answer(
            "004-10",
            "2×2: exactly one free parameter, half of the cells have odds 1 and the others t",
            "the right answer's log-odds: "
            "equal in all cells they are one number; additive ones sum to 0 (100 random logits, largest sum)",
            f"{total:.1g}",
            "confirmed: before the invariant of 004-11, which fixes it" if total < SAME else "refuted",
        ),
        Answer(
            "004-11",
            "there is no free parameter and t = 1, by invariants",
            "largest |log-odds| at the optimum of XOR; for b symbols proven by duality in "
            "grokjax.theory.experts",
            f"{np.abs(xor).max():.1g}",
            "confirmed" if np.abs(xor).max() < SAME and total < SAME else "refuted",
        ),
        Answer(
            "004-12",
            "how to extrapolate this to uneven distributions",
            f"iterative proportional fitting on {len(random)} random laws: largest duality gap (nats)",
            f"{gap:.1g}",
            "built: grokjax.theory.experts.additive"
            if gap < SAME
            else "open: the gap is wide; more sweeps would close it",
        ),
    ]


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


def on_models(frozen: list[Interaction], live: list[Interaction]) -> list[Answer]:
    """Frozen attention is additive, live attention is not."""
    worst, median = (
        lambda of: max(of(x) for x in frozen),
        lambda of: said(statistics.median([of(x) for x in live]), ".2g"),
    )
    logits, edit = (lambda x: x.of_logits), (lambda x: x.of_edit)
    return [
        Answer(
            "004-05",
            "odds multiply: a_0 b_0 : a_1 b_1",
            "interaction of the two tokens in the log-odds of random models, over their "
            "spread: frozen attention (largest); live (median)",
            f"{worst(logits):.1g}; {median(logits)}",
            "confirmed" if worst(logits) < 1e-4 else "refuted",
        ),
        Answer(
            "004-06",
            "changing V(x) shunts the odds at this x, but at all y",
            "the value of one x changed: how far the change of its "
            "log-odds differs over y, over its size: frozen attention (largest); live (median)",
            f"{worst(edit):.1g}; {median(edit)}",
            "confirmed" if worst(edit) < 1e-4 else "refuted",
        ),
    ]


def on_carries() -> list[Answer]:
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
    return [
        Answer(
            "001-02",
            "the second digit has 11:9 chances of +0:+1",
            "exact chance of a carry into digits 1, 2, 3",
            ", ".join(f"{float(c):g}" for c in chance),
            "confirmed" if chance[0] * 20 == 9 else "refuted",
        ),
        Answer(
            "001-63",
            "the addition table gives the digit right 90% of the time, a shelf at .325",
            "exact chance that the naive digit is right, digits 1, 2, 3; the level nearest to h(.1), 2 to 5 "
            "digits, both orders",
            f"{', '.join(f'{1 - float(c):g}' for c in chance)}; h(.1) = {wrong:.4f}, nearest {near:.4f} "
            f"({where})",
            "refuted" if off > 0.02 else "open: a level of another information set lies within .02 nats",
        ),
        Answer(
            "001-64",
            "correction: half of the time, so ln 2",
            "exact level h(c) of digits 1, 2, 3 against ln 2 = .693147",
            ", ".join(f"{x:.6f}" for x in nats),
            "confirmed" if all(abs(x - math.log(2)) < 0.01 for x in nats) else "refuted",
        ),
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
