"""Does each layer begin with standard deviation 1, and does the scale of the weights decide when a run groks?

    python -m experiments.optimization.init_scale

Modular addition, --modulus 23, 70% of the table, 1 layer, --d_model 64 with 4 heads, full batch, rate 1e-3,
decay 1, --steps 5000, --seeds 12: all initial weights of Nanda's preset (standard deviation 1/sqrt(width))
times ¼ … 4; and other schemes: uniform draws of the same variance, embeddings N(0, 1), the W_in of the pizza
paper. A run has memorised where its training loss is below .01 nats, and generalised where its test loss is
below 1. Other schemes are compared with Nanda's by the log-rank test, Holm over all of them.
Time: 5 minutes on two cores.
"""

import functools
import math
import sys
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, count, exact, mean, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.curves.statistics import Times
from grokjax.interp import activations

DEFAULTS: dict[str, study.Setting] = {"modulus": 23, "d_model": 64, "steps": 5000, "seeds": 12}
LARGE: dict[str, study.Setting] = {"modulus": 113, "d_model": 128, "steps": 20000, "seeds": 32}
SMALL: dict[str, study.Setting] = {"modulus": 5, "d_model": 8, "steps": 60, "seeds": 2}
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)
OUTPUTS = {
    "embedding": "embed",
    "attention": "blocks.0.attn_out",
    "neurons": "blocks.0.mlp.pre",
    "MLP": "blocks.0.mlp_out",
    "logits": "logits",
}
"""What a layer puts out, by the name of the activation."""
MEMORISED, GENERALISED = 0.01, 1.0
"""Nats below which the training, and the test loss counts as memorised, and generalised."""
ABOUT_ONE = (0.5, 2.0)


def measure(this: Study) -> Finding:
    """Deviations at the start and times of every scheme."""
    train = functools.partial(
        this.sweep,
        task="modular",
        preset="nanda",
        modulus=this["modulus"],
        d_model=this["d_model"],
        train_fraction=0.7,
    )
    grid = train("scales", init_scale=SCALES)
    scale = np.asarray(grid.hypers.init_scale)
    found = {f"{value:g}": of_runs(grid, np.isclose(scale, value)) for value in SCALES}
    schemes: dict[str, dict[str, Any]] = {
        "uniform": dict(init="uniform"),
        "pizza": dict(scale_W_in=0.5),
        "embeddings N(0, 1)": dict(scale_W_E=math.sqrt(this["d_model"])),
    }
    for name, options in schemes.items():
        sweep = train(name.split(" ")[0], **options)
        found[name] = of_runs(sweep, np.ones(sweep.num_runs, bool))
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, 70% of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, full batch, rate 1e-3, decay 1, {this['steps']} "
        "steps",
        seeds=this.seeds,
        answers=[answer(found, this["steps"])],
        numbers={name: row(one) for name, one in found.items()},
        plot=pictured(found),
    )


class Scheme(NamedTuple):
    """The standard deviation of each output at the start [S], and when a run memorises and generalises."""

    deviation: dict[str, np.ndarray]
    memorised: Times
    generalised: Times


def of_runs(sweep: Sweep, chosen: np.ndarray) -> Scheme:
    """The deviations of the chosen runs at the start, and when they have memorised and generalised."""
    tokens = jnp.asarray(sweep.task.table().tokens)
    first = map_epochs(sweep, lambda run: activations.deviations(run, tokens), sweep.epochs[:1])
    train, test = (sweep.metrics[name][chosen][..., 0] for name in ("loss", "test_loss"))
    return Scheme(
        {name: np.asarray(first[key][0][chosen]) for name, key in OUTPUTS.items()},
        statistics.until_below(train, MEMORISED, smoothing=1),
        statistics.until_below(test, GENERALISED, steps=sweep.metrics["test_step"], smoothing=1),
    )


def row(one: Scheme) -> dict[str, Any]:
    """The numbers of a scheme."""
    return dict(
        deviation={name: statistics.mean(x) for name, x in one.deviation.items()},
        memorised=one.memorised.median,
        generalised=one.generalised.median,
        share_generalised=one.generalised.share,
    )


def pictured(found: dict[str, Scheme]) -> figures.Plot:
    """Against the factor: the deviation of every run by layer, and the steps of those that got there."""
    rows = [found[f"{scale:g}"] for scale in SCALES]
    dots = functools.partial(figures.Points.of_runs, SCALES)
    got = lambda times: [times(one).time[times(one).ended] for one in rows]
    panels = {
        "standard deviation at the start": {
            name: dots([one.deviation[name] for one in rows]) for name in OUTPUTS
        },
        "step of each run that gets there": {
            "training loss below .01": dots(got(lambda one: one.memorised)),
            "test loss below 1": dots(got(lambda one: one.generalised)),
        },
    }
    return figures.points(
        panels,
        xlabel="factor of all initial weights",
        ylabel="",
        scale="log",
        xscale="log",
        sharey=False,
        joined=False,
    )


def answer(found: dict[str, Scheme], steps: int) -> Result:
    """003-10."""
    plain = found["1"]
    outputs = {
        f"start_{i}": mean(f"standard deviation at the start: {name}", x, "")
        for i, (name, x) in enumerate(plain.deviation.items())
    }
    inside = lambda row: (
        row.low is not None and row.high is not None and ABOUT_ONE[0] <= row.low and row.high <= ABOUT_ONE[1]
    )
    near = [name for name, row in zip(OUTPUTS, outputs.values(), strict=True) if inside(row)]
    others = {name: one for name, one in found.items() if one is not plain}
    p = [statistics.log_rank(one.generalised, plain.generalised).p for one in others.values()]
    adjusted = statistics.holm([1.0 if x is None else x for x in p])
    rows: dict[str, Measured] = dict(
        outputs,
        near=count("outputs within a factor of 2 of 1", len(near), len(OUTPUTS), "outputs"),
        logits=outputs[f"start_{list(OUTPUTS).index('logits')}"],
    )
    for i, (name, one) in enumerate(found.items()):
        rows[f"memorised_{i}"] = time(f"{label(name)}: memorised", one.memorised, steps)
        rows[f"generalised_{i}"] = time(f"{label(name)}: generalised", one.generalised, steps)
        rows[f"logits_{i}"] = mean(f"{label(name)}: logits at the start", one.deviation["logits"], "")
    for i, (name, x) in enumerate(zip(others, adjusted.tolist(), strict=True)):
        rows[f"p_{i}"] = exact(f"{label(name)}: generalises as soon as Nanda's, log-rank p, Holm", x, "")
    return Result(
        "003-10",
        "Under Nanda's scheme {near} start with a standard deviation near one; the logits start at {logits}.",
        rows,
        f"Confirmed if under Nanda's scheme every output starts within {ABOUT_ONE[0]:g} to {ABOUT_ONE[1]:g} "
        "(whole intervals), refuted if none or only the logits do, mixed otherwise.",
        "confirmed"
        if len(near) == len(OUTPUTS)
        else "refuted"
        if set(near) <= {"logits"}
        else f"mixed: confirmed of {', '.join(near)}; refuted of the others",
        ["The rows show what other deviations at the start do to the steps until a run generalises."],
    )


def label(name: str) -> str:
    """The name of a scheme for a row."""
    return f"weights times {name}" if name.replace(".", "").isdigit() else name


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
