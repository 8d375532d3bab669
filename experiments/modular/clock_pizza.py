"""At which attention rate do runs turn from pizzas into clocks, and does the width matter?

    python -m experiments.modular.clock_pizza

The setting of Zhong et al. 2023 (arXiv:2306.17844): pattern = rate · softmax + (1 − rate) · ones, every rate
with every seed, all rates of a width in one program. Their 20,000 epochs are 2000 here.

--modulus 59, --d_model 128: the published ones;  --rates 0,25,45,55,65,75,85,95,100: attention rate in %
--seeds 8 a rate;  --steps 2000 full-batch steps
--widths 32,64: further widths, with --fewer 4 seeds a rate

A run counts where its test accuracy ends at .99 or more; how many do is said. Rules, set before the runs:
- The published curve is the mean gradient symmetricity by tenths of the rate, of 817 runs of one layer with a
  circularity of .995 or more. It is confirmed if at every rate inside the axis it lies in the interval of our
  mean, at 95% for all rates together (Bonferroni), or within .05 of it.
- "Always .99" is confirmed if at rate 0 every run rounds to .99 or more; ".41 to .75" if at rate 1 nine
  tenths of the runs lie there.
- "Validation accuracy 1, with a small delay" is confirmed if at rate 1 nine tenths of the runs of the
  published width count, and the interval of their median delay lies below 2. The delay is the step of a test
  loss below .01 over that of such a training loss.
- Clocks and pizzas are separated if nine tenths of the runs have a class, and gradient symmetricity tells
  clocks from pizzas with an AUC whose interval lies above .9.

Time: about 20 minutes on two cores. Found: not yet run at this size.
"""

import sys
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float

from experiments.frame import attention_rates, study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Setting, Study
from grokjax import figures, map_runs
from grokjax.checkpoints import Sweep
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval
from grokjax.interp.modular import circles, pizza
from grokjax.run import Run

DEFAULTS: dict[str, Setting] = {**attention_rates.SIZE, "widths": (32, 64), "fewer": 4}
SMALL: dict[str, Setting] = {**attention_rates.TINY, "widths": (8,), "fewer": 2}
RIGHT = 0.99
"""The test accuracy from which a run counts."""
SOLVED = 0.01
"""Nats below which a loss counts as solved."""
LATE = 2.0
"""The delay, in times of memorising, from which on it is not small."""
NEAR = 0.05
"""How far from a published mean an interval may lie."""
CENTRES = (5, 15, 25, 35, 45, 55, 65, 75, 85, 95)
PUBLISHED = {
    "gradient symmetricity": (0.994, 0.993, 0.992, 0.993, 0.990, 0.916, 0.733, 0.626, 0.545, 0.451),
    "distance irrelevance, wrong logit": (
        0.289,
        0.282,
        0.302,
        0.289,
        0.318,
        0.421,
        0.624,
        0.690,
        0.775,
        0.820,
    ),
}
"""Means by tenths of the rate (in per cent) of fjzzq2002/pizza, result/1l_fixedwidth.csv (MIT licence)."""


class Width(NamedTuple):
    """The runs of one width, S of them: rate (per cent), whether they count, measures by name, class; times
    at which the training and the test loss are solved.
    """

    d_model: int
    rate: Float[np.ndarray, " S"]
    right: Bool[np.ndarray, " S"]
    measures: dict[str, Float[np.ndarray, " S"]]
    named: list[str]
    memorised: statistics.Times
    grokked: statistics.Times

    def of(self, name: str, rate: float) -> Float[np.ndarray, " n"]:
        """A measure of the runs of a rate that count."""
        return self.measures[name][np.isclose(self.rate, rate) & self.right]

    def share(self, rate: float, *names: str) -> Interval:
        """The share of these classes among the runs of a rate that count."""
        own = [
            name
            for name, here in zip(self.named, np.isclose(self.rate, rate) & self.right, strict=True)
            if here
        ]
        return statistics.wilson(sum(name in names for name in own), len(own))


def measure(this: Study) -> Finding:
    """Both published measures and the class of every run, over rate and width."""
    widths = [read(attention_rates.trained(this), this["d_model"])]
    for d_model in this["widths"]:
        sweep = attention_rates.trained(this, d_model=d_model, seeds=this["fewer"])
        widths.append(read(sweep, d_model))
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, 80% of the table",
        size=f"1 layer, widths {', '.join(str(each.d_model) for each in widths)}, 4 heads, decay 2, "
        f"rate .001, {this['steps']} full-batch steps, {this['fewer']} seeds at further widths",
        seeds=this.seeds,
        answers=[
            curve(this, widths[0]),
            classified(widths),
            delayed(widths[0]),
            constant(widths),
            live(widths),
        ],
        numbers={str(each.d_model): numbers(this, each) for each in widths},
        plot=picture(this, widths),
    )


def of_run(run: Run) -> tuple[dict[str, Float[Array, ""]], circles.Circles]:
    """The published measures of a run, and its circles."""
    measures = {
        "gradient symmetricity": pizza.gradient_symmetricity_sample(run).mean,
        "distance irrelevance": pizza.distance_irrelevance(run),
        "distance irrelevance, wrong logit": pizza.distance_irrelevance_of_wrong_logit(run),
        "circularity": pizza.circularity(run),
    }
    return measures, circles.of(run)


of_runs = map_runs(of_run)


def read(sweep: Sweep, d_model: int) -> Width:
    """The measures of every run at its last epoch."""
    measures, found = of_runs(sweep.runs())
    return Width(
        d_model,
        100 * np.asarray(sweep.hypers.attention_rate, float),
        sweep.metrics["test_accuracy"][:, -1, 0] >= RIGHT,
        measures,
        circles.classes(found),
        statistics.until_below(sweep.metrics["loss"][..., 0], SOLVED, smoothing=1),
        statistics.until_below(
            sweep.metrics["test_loss"][..., 0], SOLVED, steps=sweep.metrics["test_step"], smoothing=1
        ),
    )


def curve(this: Study, width: Width) -> Answer:
    """The published curve against ours, at the published width."""
    inner = [rate for rate in this["rates"] if 0 < rate < 100]
    name = "gradient symmetricity"
    published = {rate: float(np.interp(rate, CENTRES, PUBLISHED[name])) for rate in inner}
    ours = {rate: statistics.mean(width.of(name, rate), 1 - 0.05 / max(len(inner), 1)) for rate in inner}
    apart = [
        rate
        for rate, found in ours.items()
        if found.low is not None
        and found.high is not None
        and not found.low - NEAR <= published[rate] <= found.high + NEAR
    ]
    known = [rate for rate, found in ours.items() if found.low is not None]
    told = f"refuted: apart at {', '.join(map(str, apart))}%" if apart else "confirmed"
    return Answer(
        "003-01",
        "Reimplement some experiments from The Clock and the Pizza",
        f"mean gradient symmetricity (100 triples) by attention rate at width {width.d_model}, against the "
        f"published means; {counted(int(width.right.sum()), len(width.right))} runs end at {RIGHT} or more "
        "on the test set",
        "; ".join(f"{rate}%: {said(found)}, published {published[rate]:.3f}" for rate, found in ours.items())
        or "no rate inside the axis",
        told
        if len(known) == len(inner) > 0
        else "open: too few runs at some rate; more --seeds would settle it",
    )


def classified(widths: list[Width]) -> Answer:
    """How many runs have a class, and whether the published measure parts the two."""
    named = np.array([name for each in widths for name in each.named])
    right = np.concatenate([each.right for each in widths])
    symmetricity = np.concatenate([each.measures["gradient symmetricity"] for each in widths])
    of = lambda kind: (named == kind) & right
    has = int((of("clock") | of("pizza") | of("both")).sum())
    area = statistics.auc(symmetricity[of("clock")], symmetricity[of("pizza")])
    share = statistics.wilson(has, int(right.sum()))
    if area.low is None or share.value is None:
        verdict = "open: no clocks, or no pizzas; longer runs would settle it"
    else:
        verdict = "confirmed" if share.value >= 0.9 and area.low > 0.9 else "refuted"
    return Answer(
        "003-02",
        "Make sure we can separate pizza and clock",
        "runs by the formula that fits their isolated circles; AUC of gradient symmetricity, clock to pizza",
        ", ".join(f"{int(of(kind).sum())} {kind}" for kind in circles.CLASSES)
        + f"; with a class: {counted(has, int(right.sum()))}; AUC {said(area)}",
        verdict,
    )


def delayed(width: Width) -> Answer:
    """How late the test loss falls at rate 1."""
    own = np.isclose(width.rate, 100)
    late, early = (
        statistics.Times(times.time[own], times.ended[own]) for times in (width.grokked, width.memorised)
    )
    ratio = statistics.paired_ratio(late, early).median
    right = int((own & width.right).sum())
    if right < 0.9 * own.sum():
        verdict = "refuted: more than a tenth of the runs do not get there"
    elif ratio.high is None or ratio.low is None:
        verdict = "open: too few runs have solved both by the last step"
    else:
        verdict = (
            "confirmed" if ratio.high < LATE else "refuted" if ratio.low >= LATE else "open: about twice"
        )
    return Answer(
        "003-14",
        "Now I have validation accuracy 1! There is a small delay",
        f"runs at rate 1 and width {width.d_model} with a test accuracy of {RIGHT} or more; step of a test "
        f"loss below {SOLVED} over that of such a training loss, median",
        f"{counted(right, int(own.sum()))}; {said(ratio, '.2f')} times",
        verdict,
    )


def constant(widths: list[Width]) -> Answer:
    """Gradient symmetricity at rate 0."""
    values = np.concatenate([each.of("gradient symmetricity", 0) for each in widths])
    within = int((values >= 0.985).sum())
    return Answer(
        "003-23",
        "For constant attention, it is always 0.99",
        "gradient symmetricity at rate 0, over widths: median, least and largest; runs at .985 or more",
        f"{spread(values)}; {counted(within, len(values))}",
        "open: no runs" if not len(values) else "confirmed" if within == len(values) else "refuted",
    )


def live(widths: list[Width]) -> Answer:
    """Gradient symmetricity at rate 1."""
    values = np.concatenate([each.of("gradient symmetricity", 100) for each in widths])
    within = int(((values >= 0.405) & (values < 0.755)).sum())
    return Answer(
        "003-24",
        "For normal attention it varies between 0.41 and 0.75",
        "gradient symmetricity at rate 1, over widths: median, least and largest; runs from .41 to .75",
        f"{spread(values)}; {counted(within, len(values))}",
        "open: no runs" if not len(values) else "confirmed" if within >= 0.9 * len(values) else "refuted",
    )


def spread(values: Float[np.ndarray, " n"]) -> str:
    """A median with its interval, and the range, in words."""
    if not len(values):
        return "no run counts"
    return f"{said(statistics.quantile(values))}, {values.min():.3f} to {values.max():.3f}"


def numbers(this: Study, width: Width) -> dict[str, object]:
    """What the finding keeps of a width."""
    return {
        "count": statistics.wilson(int(width.right.sum()), len(width.right)),
        "rates": [
            {
                "rate": rate,
                "runs": int((np.isclose(width.rate, rate) & width.right).sum()),
                **{name: statistics.mean(width.of(name, rate)) for name in width.measures},
                **{kind: width.share(rate, kind) for kind in circles.CLASSES},
            }
            for rate in this["rates"]
        ],
    }


def picture(this: Study, widths: list[Width]) -> figures.Plot:
    """Three measures against the rate, a line for each width, and the published means."""
    rates = list(this["rates"])
    panels: dict[str, dict[str, figures.Points]] = {
        name: {
            f"width {each.d_model}": figures.Points(
                rates, [statistics.mean(each.of(name, rate)) for rate in rates]
            )
            for each in widths
        }
        | {"published": figures.Points(CENTRES, [(value, None, None) for value in means])}
        for name, means in PUBLISHED.items()
    }
    panels["share of clocks, or both"] = {
        f"width {each.d_model}": figures.Points(rates, [each.share(rate, "clock", "both") for rate in rates])
        for each in widths
    }
    return figures.points(panels, xlabel="attention rate (%)", ylabel="", sharey=False)


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
