"""Is a wider model better at addition?

    python -m experiments.optimization.wider_model

Widths --widths 128,256 of the note's task, seed by seed: --digits 5, sequence mode, most significant digit
first, 1 layer, 4 heads, --batch 256, decay .1, --steps 2000, --seeds 8. Each width is trained at three rates,
3e-4, 1e-3 and 3e-3: the even seeds choose the rate of the odd ones, and these that of the even ones. Of a
digit, the first step at which the running median of its loss is below .5 nats; all digits of an answer right,
teacher-forced, on 1024 fixed problems every 50 steps.
Time: 18 minutes on two cores that others used too. Changed after a review: 5 digits, where 3 stood.
"""

import sys

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, count, interval, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.optimization import best_rate
from experiments.optimization.best_rate import RATES, Arm
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, study.Setting] = {
    "digits": 5,
    "widths": (128, 256),
    "batch": 256,
    "steps": 2000,
    "seeds": 8,
}
LARGE: dict[str, study.Setting] = {"steps": 6000, "seeds": 16}
SMALL: dict[str, study.Setting] = {"digits": 1, "widths": (8, 12), "batch": 16, "steps": 20, "seeds": 2}
FALLEN, MARGIN = 0.5, 0.02
"""Nats below which a digit's loss has fallen; shares of right answers within which two arms are as good."""


def measure(this: Study) -> Finding:
    """The wider model against the narrower one, seed by seed."""
    narrow, wide = (of_width(this, width) for width in this["widths"])
    fallen = [
        [statistics.until_below(one.loss[:, :, digit], FALLEN) for one in (narrow, wide)]
        for digit in range(this["digits"] + 1)
    ]
    rows = {
        f"digit {digit}": {f"width {width}": one for width, one in zip(this["widths"], times, strict=True)}
        for digit, times in enumerate(fallen)
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant first",
        size=f"1 layer, widths {' and '.join(map(str, this['widths']))}, 4 heads, batch {this['batch']}, "
        f"decay .1, {this['steps']} steps, the better of three rates",
        seeds=this.seeds,
        answers=[by_width(this, narrow, wide, fallen)],
        numbers={
            str(width): dict(rates=one.rates, right_at_the_end=statistics.mean(one.end))
            for width, one in zip(this["widths"], (narrow, wide), strict=True)
        },
        plot=figures.times(rows, xlabel=f"optimiser step at which a digit's loss is below {FALLEN:g} nats"),
    )


def of_width(this: Study, width: int) -> Arm:
    """One width."""
    sweep = this.sweep(
        f"width_{width}",
        digits=this["digits"],
        d_model=width,
        batch=this["batch"],
        weight_decay=0.1,
        learning_rate=RATES,
    )
    return best_rate.of_runs(sweep, np.ones(sweep.num_runs, bool))


def by_width(this: Study, narrow: Arm, wide: Arm, fallen: list[list[statistics.Times]]) -> Result:
    """000-07."""
    first, second = this["widths"]
    ratios = [statistics.paired_ratio(two, one) for one, two in fallen]
    p = statistics.holm([1.0 if x.p is None else x.p for x in ratios])
    rows: dict[str, Measured] = {}
    for digit, (ratio, times) in enumerate(zip(ratios, fallen, strict=True)):
        rows[f"ratio_{digit}"] = interval(
            f"digit {digit}: steps to {FALLEN} nats, width {second} over {first}, by seed (sign test, Holm: "
            f"p {p[digit]:.2g})",
            ratio.median,
            "",
            len(narrow.end),
        )
        for width, one in zip((first, second), times, strict=True):
            rows[f"time_{digit}_{width}"] = time(f"digit {digit}, width {width}", one, this["steps"])
    for width, arm in zip((first, second), (narrow, wide), strict=True):
        rows[f"there_{width}"] = time(f"99% of the answers right, width {width}", arm.right, this["steps"])
    gain = statistics.mean(wide.end - narrow.end)
    rows["gain"] = interval(f"right at the end, width {second} less {first}", gain, "", len(narrow.end))
    sooner = [k for k, x in enumerate(ratios) if p[k] < 0.05 and x.earlier > x.later]
    later = [k for k, x in enumerate(ratios) if p[k] < 0.05 and x.later > x.earlier]
    rows["sooner"] = count("digits that the wider model learns sooner", len(sooner), len(ratios), "digits")
    no_worse = gain.low is not None and gain.low > -MARGIN
    return Result(
        "000-07",
        "Twice the width is sooner in {sooner}; at the end its share of right answers differs by {gain}.",
        rows,
        f"Confirmed if width {second} is sooner at {FALLEN} nats in every digit (sign test by seed, Holm, "
        f"p < .05) and its share of right answers is no more than {MARGIN} lower; refuted if it is later in "
        "some digit and sooner in none; open if no order is shown in any; mixed otherwise.",
        "confirmed"
        if len(sooner) == len(ratios) and no_worse
        else "refuted"
        if later and not sooner
        else "open: neither width is shown to be sooner in any digit; more seeds would tell"
        if not sooner
        else f"mixed: sooner in digit {', '.join(map(str, sooner))}; "
        + ("no worse in the end" if no_worse else "the end is not settled"),
        ["Four heads at either width.", *two_rates(this, narrow, wide), *best_rate.at_edge([narrow, wide])],
    )


def two_rates(this: Study, narrow: Arm, wide: Arm) -> list[str]:
    """What to know where the two halves of the seeds chose different rates for a width."""
    split = [
        f"{width} ({arm.rates})"
        for width, arm in zip(this["widths"], (narrow, wide), strict=True)
        if len(set(arm.pick.tolist())) > 1
    ]
    told = (
        f"The halves of the seeds chose two rates for width {' and '.join(split)}: its runs are two groups."
    )
    return [told] * bool(split)


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
