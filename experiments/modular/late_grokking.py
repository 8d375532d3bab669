"""Near the least data that groks: do some runs grok and others not, in how many drops, and what foretells it?

    python -m experiments.modular.late_grokking

The preset of Nanda et al. at a size at which two cores train many runs: --modulus 59, --d_model 64,
--seeds 64, --steps 4000 full-batch steps on --percent 50 of the table, where most runs grok, late: the
share and the steps were chosen by 5 runs of seeds 0 to 4, of which 4 had grokked by then. --snapshots 48
saved epochs of every run.

What is measured at every saved epoch, when a run has memorised and grokked, and what a drop of the test loss
and another algorithm are, stands in experiments.modular.modular_grokking, with fewer runs of modulus 113.

Foretold: at the saved epoch nearest to step --early 600, each of five measures orders the runs that have not
grokked by then. The one that orders the even seeds best is scored on the odd ones, by the share of pairs of
runs of known order that it puts in this order. It foretells if the whole interval lies above one half.

Rules, set before the 64 runs: some grok and others not where Wilson's interval of those that do lies between
a tenth and nine tenths. Drops are the rule of more than a tenth of the runs.
Time: 18 minutes on two cores that others used too; GPU: not measured.
"""

import sys

import numpy as np

from experiments.frame import study
from experiments.frame.bounds import above, below, sided
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval, share, time
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from experiments.modular import foretelling, phases, pictures
from experiments.modular.modular_grokking import majority
from experiments.modular.phases import MOVED, SOLVED, Events, Fall
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics

DEFAULTS: dict[str, Setting] = {
    "modulus": 59,
    "d_model": 64,
    "percent": 50,
    "seeds": 64,
    "steps": 4000,
    "snapshots": 48,
    "early": 600,
}
LARGE: dict[str, Setting] = {"modulus": 113, "d_model": 128, "percent": 30, "steps": 20000, "early": 1000}
SMALL: dict[str, Setting] = {
    "modulus": 7,
    "d_model": 8,
    "percent": 50,
    "seeds": 2,
    "steps": 60,
    "snapshots": 2,
    "early": 30,
}
SOME = 0.1
"""The share that counts as some of the runs: the notes say "maybe", "multiple times", "some of the runs", not
most, of a few runs looked at, in which what fewer than one in ten does would hardly have been seen."""
DROP = (
    "A drop is a fall of the test loss by a factor of 2 or more within a twentieth of the steps, above "
    f"{SOLVED} nats."
)
READ = f'"Some of the runs" is read as a share of them above {SOME:g}.'
OTHER = f"Changed: a key frequency comes or goes, or gradient symmetricity moves by {MOVED}."


def measure(this: Study) -> Finding:
    """When runs grok, their drops, and what they were like early."""
    found, steps, seen, happened, fallen = phases.followed(this)
    at = int(np.abs(steps - this["early"]).argmin())
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, {this['percent']}% of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, decay 1, rate .001, full batch, {this['steps']} "
        "steps",
        seeds=this.seeds,
        answers=[
            some_grok(this, happened.grokked, early(found, seen, at), int(steps[at])),
            *by_drops(happened, fallen),
        ],
        numbers=dict(
            grokked=np.where(happened.grokked.ended, happened.grokked.time, np.nan),
            memorised=happened.memorised.median,
            formed=happened.formed.median,
            drops=[[[fall.drop.first, fall.drop.last, fall.other] for fall in each] for each in fallen],
        ),
        plot=pictures.with_measures(found, steps, seen, happened),
    )


def early(found: Sweep, seen: dict[str, np.ndarray], at: int) -> dict[str, np.ndarray]:
    """The measures of every run at one saved epoch [S]; none of them knows how the run ends."""
    step = found.steps(found.epochs[at])
    test = found.metrics["test_loss"][..., 0]
    return {
        "test loss": test[:, np.abs(np.asarray(found.metrics["test_step"]) - step).argmin()],
        "Gini coefficient of W_E": seen["gini_W_E"][:, at],
        "Gini coefficient of W_out W_U": seen["gini_W_L"][:, at],
        "sum of squared weights": seen["squares"][:, at],
        "gradient symmetricity": seen["symmetricity"][:, at],
    }


def some_grok(this: Study, grokked: statistics.Times, measures: dict[str, np.ndarray], step: int) -> Result:
    """003-16."""
    ahead = grokked.time > step
    left = statistics.Times(grokked.time[ahead], grokked.ended[ahead])
    kept = {name: values[ahead] for name, values in measures.items()}
    foretold = foretelling.best(left, kept)
    some = share(
        f"runs that have grokked by step {this['steps']}", int(grokked.ended.sum()), len(grokked.ended)
    )
    order = "less" if foretold.falls else "more"
    told = interval(
        f"pairs of odd seeds in which the run with {order} {foretold.name} groks first",
        foretold.concordance,
        "of pairs",
        int(ahead[1::2].sum()),
    )
    return Result(
        "003-16",
        f"By the last step {{some}} have grokked; the {foretold.name} at an early step foretells the "
        "earlier of two in {told}.",
        dict(some=some, told=told, step=time("step of grokking", grokked, this["steps"]))
        | {
            f"told_{i}": interval(
                f"pairs in which the run with less {name} groks first",
                foretelling.bootstrapped(left, values),
                "of pairs",
                len(values),
            )
            for i, (name, values) in enumerate(kept.items())
        },
        "Two claims. Some grok and others not: confirmed where Wilson's interval of the share of runs that "
        f"have grokked by the last step lies between {SOME:g} and {1 - SOME:g}; refuted where it lies "
        "outside; else open. It is foretold: confirmed where the measure that orders the even seeds best "
        "orders more than half of the pairs of odd ones (whole interval); refuted where fewer; else open.",
        both(of_some(some), sided(told, 0.5, "confirmed", "refuted", "open")),
        [
            f"Measured at step {step}, of the runs that have not grokked by then.",
            "What a run has not done by the last step it may do later.",
            f"The note has 30% of modulus 113; {this['percent']}% of modulus {this['modulus']} was chosen by "
            "5 trial runs, of which 4 had grokked.",
        ],
    )


def of_some(some: Measured) -> str:
    """The verdict of 003-16."""
    if above(some, SOME) and below(some, 1 - SOME):
        return "confirmed"
    if below(some, SOME) or above(some, 1 - SOME):
        return "refuted"
    end = "nine tenths" if some.value is not None and some.value > 0.5 else "a tenth"
    return f"open: the interval holds {end}; more --seeds would settle it"


def both(some: str, foretold: str) -> str:
    """The verdict of two claims."""
    kind = some.partition(":")[0]
    if kind == foretold:
        return some
    if "confirmed" not in (kind, foretold):
        return f"open: {some.partition(': ')[2] or 'foretelling is undecided; more --seeds would settle it'}"
    return f"mixed: {foretold} that it is foretold; {kind} whether some grok and others not by then"


def by_drops(happened: Events, fallen: list[list[Fall]]) -> list[Result]:
    """003-18, 003-19, 003-20."""
    ended = happened.grokked.ended
    several = np.array([len(each) > 1 for each in fallen])
    other = np.array([any(fall.other for fall in each[1:]) for each in fallen])
    number = statistics.quantile([len(each) for each in fallen])
    drops = interval("median number of drops", number, "", len(fallen))
    asked = (
        (
            "003-18",
            "A later drop of the test loss than the first changes the algorithm in {runs}.",
            "in which a later drop than the first changes the algorithm",
            other,
            [DROP, READ, OTHER],
        ),
        (
            "003-19",
            "The test loss drops twice or more in {runs}.",
            "with two drops or more",
            several,
            [DROP, READ],
        ),
        (
            "003-20",
            "Of the runs that grok, {runs} had two drops or more.",
            "that grok, with two drops or more",
            several[ended],
            [DROP, READ],
        ),
    )
    return [
        Result(
            id,
            sentence,
            dict(runs=share(f"runs {what}", int(holds.sum()), len(holds)), drops=drops),
            f"Confirmed where Wilson's interval of the share of runs {what} lies above {SOME:g}; refuted "
            "where it lies below; else open.",
            majority(int(holds.sum()), len(holds), "more --seeds", SOME),
            caveats,
        )
        for id, sentence, what, holds, caveats in asked
    ]


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
