"""Does each layer begin with standard deviation 1, and does the scale of the weights decide when a run groks?

    python -m experiments.optimization.init_scale

Modular addition, --modulus 23, 70% of the table, 1 layer, --d_model 64 with 4 heads, full batch, rate 1e-3,
decay 1, --steps 2500, --seeds 8: all initial weights of Nanda's preset (standard deviation 1/sqrt(width))
times ¼ … 4; and other schemes: uniform draws of the same variance, embeddings N(0, 1), the W_in of the pizza
paper.
Time: 6 minutes of one core (16 beside other work); GPU: not measured.

Found: no: under the papers' scheme the embedding starts at .13 (1/sqrt(width)), attention at .14, the neurons
  at .23, the MLP at .32; only the logits, at .66, are near 1. Deviations grow with the factor to the power of
  the number of weights passed, up to 1650 for the logits at
4. Scale 1 memorises first (step 219) and generalises most often (5 of 8 by step 2500, median 2400); ½ and 2
  memorise later and generalise in 2 of 8, 4 in none, and nor do embeddings N(0, 1), which bring every output
  to about 1. The distribution does not matter: uniform draws have the same deviations and about the same
  times. 8 runs a scheme leave the shares wide.
"""

import functools
import math
import sys
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Study
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.curves.statistics import Interval
from grokjax.interp import activations

DEFAULTS: dict[str, study.Setting] = {"modulus": 23, "d_model": 64, "steps": 2500, "seeds": 8}
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
    found = {f"{value:g}": row(grid, np.isclose(scale, value)) for value in SCALES}
    schemes: dict[str, dict[str, Any]] = {
        "uniform": dict(init="uniform"),
        "pizza": dict(scale_W_in=0.5),
        "embeddings N(0, 1)": dict(scale_W_E=math.sqrt(this["d_model"])),
    }
    for name, options in schemes.items():
        sweep = train(name.split(" ")[0], **options)
        found[name] = row(sweep, np.ones(sweep.num_runs, bool))
    panels = pictured(found)
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, 70% of the table",
        size=f"1 layer, width {this['d_model']}, 4 heads, full batch, rate 1e-3, decay 1, {this['steps']} "
        "steps",
        seeds=this.seeds,
        answers=[answer(found)],
        numbers=found,
        plot=figures.points(
            panels, xlabel="factor of all initial weights", ylabel="", scale="log", xscale="log", sharey=False
        ),
    )


def row(sweep: Sweep, chosen: np.ndarray) -> dict[str, Any]:
    """The deviations of the chosen runs at the start, and when they have memorised and generalised."""
    tokens = jnp.asarray(sweep.task.table().tokens)
    first = map_epochs(sweep, lambda run: activations.deviations(run, tokens), sweep.epochs[:1])
    train, test = (sweep.metrics[name][chosen][..., 0] for name in ("loss", "test_loss"))
    memorised = statistics.until_below(train, MEMORISED, smoothing=1)
    generalised = statistics.until_below(test, GENERALISED, steps=sweep.metrics["test_step"], smoothing=1)
    late = np.where(memorised.ended & generalised.ended, generalised.time - memorised.time, np.nan)
    return dict(
        runs=len(test),
        generalised_runs=int(generalised.ended.sum()),
        deviation={name: statistics.mean(first[key][0][chosen]) for name, key in OUTPUTS.items()},
        memorised=memorised.median,
        generalised=generalised.median,
        share_generalised=generalised.share,
        delay=statistics.median(late[np.isfinite(late)].tolist()),
    )


def pictured(found: dict[str, Any]) -> dict[str, dict[str, figures.Points]]:
    """Against the factor: the deviations by layer, and the times."""
    rows = [found[f"{scale:g}"] for scale in SCALES]
    times = {"training loss below .01": "memorised", "test loss below 1": "generalised"}
    return {
        "standard deviation at the start": {
            name: figures.Points(SCALES, [one["deviation"][name] for one in rows]) for name in OUTPUTS
        },
        "median step": {
            name: figures.Points(SCALES, [one[key] for one in rows]) for name, key in times.items()
        },
    }


def answer(found: dict[str, Any]) -> Answer:
    """What it says to the note."""
    told = lambda one: ", ".join(
        f"{name} {x.value:.2g}" for name, x in one["deviation"].items() if x.value is not None
    )
    deviations = "; ".join(f"{name}: {told(found[name])}" for name in found if name not in ("0.25", "4"))
    steps = "; ".join(
        f"{name}: {said(one['memorised'], '.0f')}, {said(one['generalised'], '.0f')} in "
        f"{counted(one['generalised_runs'], one['runs'])}"
        for name, one in found.items()
    )
    return Answer(
        "003-10",
        "they always initialise so that the output of the layer starts with 1 std",
        "standard deviation of each layer's output at the start, by scheme (a number: Nanda's preset times "
        "it); median steps at "
        f"which the training loss falls below {MEMORISED:g}, and the test loss below {GENERALISED:g} in how "
        "many",
        f"{deviations}. Steps {steps}",
        verdict(found["1"]["deviation"]),
    )


def verdict(deviation: dict[str, Interval]) -> str:
    """Whether the outputs under the papers' scheme start near 1."""
    near = [
        name
        for name, x in deviation.items()
        if x.value is not None and ABOUT_ONE[0] <= x.value <= ABOUT_ONE[1]
    ]
    if len(near) == len(deviation):
        return "confirmed"
    return (
        f"refuted: only {' and '.join(near)} within a factor of 2 of 1"
        if near
        else "refuted: none is within a factor of 2 of 1"
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
