"""In the note's three settings, is grokking clearly separated from memorising, and how often?

    python -m experiments.modular.separated_settings

The pizza preset with full attention at --d_model 128 on half of the table: the first of --moduli 113,59 with
weight decay 1.5, the second with 2 and with 1. --seeds 4, --steps 3000 full-batch steps.

A run has memorised at its first step with a training loss below .01 nats, and has grokked at its first
evaluation with such a test loss. Rule, set before the runs: a setting is separated where most runs (Wilson's
interval of their share above one half) grok by the last step, and at twice their memorising step or later; it
is not where the interval lies below one half. Confirmed if all three are, refuted if none is.

Time: 14 minutes on two cores that others used too; GPU: not measured.
"""

import sys
from typing import NamedTuple

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, interval, share, time
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from experiments.modular.grokking_phase import SEPARATED, SOLVED, grok_late
from experiments.modular.modular_grokking import majority
from grokjax import figures
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics

DEFAULTS: dict[str, Setting] = {"moduli": (113, 59), "d_model": 128, "seeds": 4, "steps": 3000}
LARGE: dict[str, Setting] = {"seeds": 32, "steps": 10000}
SMALL: dict[str, Setting] = {"moduli": (7, 5), "d_model": 8, "seeds": 2, "steps": 40}
FRACTION = 0.5
DECAYS = ((1.5,), (2.0, 1.0))
"""Of the first modulus, and of the second one."""


class Runs(NamedTuple):
    """The runs of one setting: when they memorise and when they grok."""

    name: str
    memorised: statistics.Times
    grokked: statistics.Times

    @property
    def late(self) -> np.ndarray:
        """Which runs grok, and late, [S]."""
        return grok_late(self.memorised, self.grokked)

    @property
    def delay(self) -> statistics.Interval:
        """The median of steps to grokking over steps to memorising."""
        return statistics.paired_ratio(self.grokked, self.memorised).median


def measure(this: Study) -> Finding:
    """The times of every setting."""
    if len(this["moduli"]) != len(DECAYS):
        raise ValueError(f"--moduli={','.join(map(str, this['moduli']))} must be two")
    found = [
        runs
        for modulus, decays in zip(this["moduli"], DECAYS, strict=True)
        for runs in of_modulus(this, modulus, decays)
    ]
    return Finding(
        task=f"modular addition, moduli {' and '.join(map(str, this['moduli']))}, half of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, full attention, rate .001, {this['steps']} "
        "full-batch steps",
        seeds=this.seeds,
        answers=[answer(this, found)],
        numbers={
            each.name: dict(
                grokked=each.grokked.share,
                memorised_at=each.memorised.median,
                grokked_at=each.grokked.median,
                delay=each.delay,
                late=int(each.late.sum()),
            )
            for each in found
        },
        plot=figures.times(
            {each.name: {"memorised": each.memorised, "grokked": each.grokked} for each in found}
        ),
    )


def of_modulus(this: Study, modulus: int, decays: tuple[float, ...]) -> list[Runs]:
    """The runs of one modulus at each decay."""
    sweep = this.sweep(
        f"modulus{modulus}",
        task="modular",
        preset="pizza",
        modulus=modulus,
        d_model=this["d_model"],
        attention_rate=1.0,
        train_fraction=FRACTION,
        weight_decay=list(decays),
    )
    return [of_decay(sweep, modulus, decay) for decay in decays]


def of_decay(sweep: Sweep, modulus: int, decay: float) -> Runs:
    """The runs of one decay."""
    own = np.isclose(np.asarray(sweep.hypers.weight_decay), decay)
    train, test = (sweep.metrics[name][own][..., 0] for name in ("loss", "test_loss"))
    return Runs(
        f"mod {modulus}, decay {decay:g}",
        statistics.until_below(train, SOLVED, smoothing=1),
        statistics.until_below(test, SOLVED, steps=sweep.metrics["test_step"], smoothing=1),
    )


def answer(this: Study, found: list[Runs]) -> Result:
    """003-21."""
    late = np.concatenate([each.late for each in found])
    told = {each.name: majority(int(each.late.sum()), len(each.late), "more --seeds") for each in found}
    shares = {
        f"late_{i}": share(f"runs that grok late, {each.name}", int(each.late.sum()), len(each.late))
        for i, each in enumerate(found)
    }
    delays = {
        f"delay_{i}": interval(
            f"step of grokking over that of memorising, {each.name}", each.delay, "times", len(each.late)
        )
        for i, each in enumerate(found)
    }
    steps = {
        f"step_{i}": time(f"step of grokking, {each.name}", each.grokked, this["steps"])
        for i, each in enumerate(found)
    }
    every = Measured(
        "runs that grok late, all three settings",
        float(late.mean()),
        unit="share",
        n=len(late),
        count=int(late.sum()),
    )
    return Result(
        "003-21",
        "In the note's three settings {every} grok by the last step, at twice the memorising step or later.",
        dict(every=every, **shares, **delays, **steps),
        "A setting is separated where most runs (Wilson's interval above one half) have a test loss below "
        f"{SOLVED} nats by the last step, at {SEPARATED:g} times the step of such a training loss or "
        "later; not where the interval lies below one half. Confirmed if all three are, refuted if none "
        "is, mixed if some are and others are not, else open.",
        verdict(told),
        ["The settings share their seeds: the runs of all three together have no interval."],
    )


def verdict(told: dict[str, str]) -> str:
    """The verdict of all settings from that of each."""
    kinds = [text.partition(":")[0] for text in told.values()]
    if len(set(kinds)) == 1 and kinds[0] != "open":
        return kinds[0]
    if "open" in kinds:
        unclear = " and ".join(name for name, kind in zip(told, kinds, strict=True) if kind == "open")
        return f"open: not decided of {unclear}; more --seeds or --steps would settle it"
    return "mixed: " + "; ".join(f"{kind} of {name}" for name, kind in zip(told, kinds, strict=True))


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
