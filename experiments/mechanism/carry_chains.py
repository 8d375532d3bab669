"""Are long carry chains followed step by step, layer by layer, or all at once?

    python -m experiments.mechanism.carry_chains

And when is each length of chain learned?

--digits 5, --d_model 128, 4 heads, --batch 256, --steps 2500, --seeds 8, sequence mode, decay .1. Learned:
exact match by carry class along the training of 1 layer, in four formats: most or least significant digit
first, and either with the carries written out before the answer, on --per_class problems of each class. A
class is solved from the first snapshot with 90% of its problems right in every answer, the carries included;
runs that never get there are later than their last step. Followed: in 2 layers, most significant digit first,
the column that decides a chain of length j is turned from killing to generating a carry; it reaches the
leading digit by layer 0 at the position that reads the answer, by layer 1 from the column itself, or by
layer 1 from what layer 0 has computed elsewhere: stepwise. The share of the change that each brings, in the
runs whose leading digit is right in 90% of these problems; lengths of chains are averaged within a run first.
--followed 16: the seeds of 2 layers. Changed after a review: fewer than 8 runs have no interval, and decide
nothing. Changed after 8 seeds of 2 layers were seen, before the other 8: two ways that both take more than a
tenth, neither more than half, are a mixed answer, where more runs were asked for.
Time: 37 minutes on two cores that others used too, most of them for 2 layers.
"""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import Measured, exact, interval, time
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.mechanism.chain_ways import SOLVED, WAYS, on_ways, ways
from grokjax import figures
from grokjax.checkpoints import Sweep, map_epochs
from grokjax.curves import statistics
from grokjax.run import Run
from grokjax.tasks import sampling

DEFAULTS: dict[str, study.Setting] = {
    "digits": 5,
    "d_model": 128,
    "batch": 256,
    "steps": 2500,
    "seeds": 8,
    "followed": 16,
    "per_class": 256,
}
LARGE: dict[str, study.Setting] = {"seeds": 32, "followed": 32, "steps": 6000}
SMALL: dict[str, study.Setting] = {
    "digits": 1,
    "d_model": 8,
    "batch": 16,
    "steps": 40,
    "seeds": 2,
    "followed": 2,
    "per_class": 4,
}
FORMATS: dict[str, dict[str, Any]] = {
    "msb": {},
    "lsb": {"order": "lsb"},
    "carries, msb": {"scratchpad": True},
    "carries, lsb": {"scratchpad": True, "order": "lsb"},
}
WORDS = {"carries": "carries written", "msb": "most significant first", "lsb": "units first"}
TITLES = {name: ", ".join(WORDS[part] for part in name.split(", ")) for name in FORMATS}
LEVEL = 0.05


def measure(this: Study) -> Finding:
    """When each class is solved in each format; the ways of a chain in two layers."""
    size = dict(digits=this["digits"], d_model=this["d_model"], batch=this["batch"], weight_decay=0.1)
    every = f"every:{max(this['steps'] // 50 // 25, 1)}"
    label = lambda name: name.replace(", ", "_")
    solved = {
        name: times(this.sweep(label(name), save=every, epoch_steps=50, **size, **options), this["per_class"])
        for name, options in FORMATS.items()
    }
    two = this.sweep("two_layers", layers=2, seeds=this["followed"], **size)
    found = [ways(two, j) for j in range(this["digits"])]
    classes = [str(j) for j in range(this["digits"] + 1)]
    panels = {
        "2 layers: share of the change, run by run": {
            way: figures.Points.of_runs(
                classes[:-1], [one.share[one.right >= SOLVED, place] for one in found]
            )
            for place, way in enumerate(WAYS)
        },
        "1 layer: step at which a class is solved": {
            TITLES[name]: figures.Points(classes, [at_least(one, this["steps"]) for one in of])
            for name, of in solved.items()
        },
    }
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode",
        size=f"width {this['d_model']}, 4 heads, batch {this['batch']}, rate 1e-3, decay .1, "
        f"{this['steps']} steps",
        seeds=this.seeds,
        answers=[on_ways(found), on_formats(solved, this["steps"])],
        numbers={
            "solved": {
                name: [dict(share=one.share, step=one.median) for one in of] for name, of in solved.items()
            },
        },
        plot=figures.points(
            panels,
            xlabel=dict(zip(panels, ("columns that pass the carry on", "carry class"), strict=True)),
            ylabel="",
            sharey=False,
            joined=False,
        ),
    )


def times(sweep: Sweep, per_class: int) -> list[statistics.Times]:
    """When the exact match of each carry class first reaches SOLVED (steps), class by class."""
    batch, classes = sampling.stratified(sweep.task, jax.random.key(0), per_class)

    def right(run: Run) -> Float[Array, " J"]:
        exact = run.scores(batch).correct.all(-1)
        return jnp.stack([exact[np.asarray(classes) == j].mean() for j in range(sweep.task.num_digits + 1)])

    found, steps = map_epochs(sweep, right), np.array([sweep.steps(epoch) for epoch in sweep.epochs])
    return [
        statistics.until_below(-found[:, :, j].T, -SOLVED, steps=steps, smoothing=1)
        for j in range(found.shape[2])
    ]


def at_least(times: statistics.Times, last: int) -> tuple[float | None, float | None, float | None]:
    """The median as a point, or as an arrow from the last step where half of the runs are not there."""
    middle = times.median
    return (None, float(last), None) if middle.value is None else middle


def against(slow: statistics.Times, fast: statistics.Times) -> tuple[float, statistics.Interval]:
    """The p of the log-rank test (1 where nothing is determined), and the hazard of fast against slow."""
    found = statistics.log_rank(fast, slow).p
    return 1.0 if found is None else found, statistics.hazard_ratio(fast, slow)


def helps(solved: dict[str, list[statistics.Times]]) -> tuple[dict[str, float], dict[str, Measured]]:
    """Holm's p of either order: is the deepest class solved earlier with carries written first? And rows."""
    tests, rows = {}, {}
    for order in ("msb", "lsb"):
        slow, fast = solved[order][-1], solved[f"carries, {order}"][-1]
        p, hazard = against(slow, fast)
        earlier = fast.time.mean() < slow.time.mean() and fast.ended.mean() >= slow.ended.mean()
        tests[order] = p if earlier else 1.0
        rows[f"hazard_{order}"] = interval(
            f"how many times as often the deepest class is solved next with carries written, {TITLES[order]}",
            hazard,
            "",
            len(fast.time),
        )
    holm = dict(zip(tests, (float(p) for p in statistics.holm(list(tests.values()))), strict=True))
    rows |= {
        f"p_{order}": exact(f"Holm's p of the log-rank test, {TITLES[order]}", p, "")
        for order, p in holm.items()
    }
    return holm, rows


def on_formats(solved: dict[str, list[statistics.Times]], steps: int) -> Result:
    """002-21."""
    deepest, runs = len(solved["msb"]) - 1, len(solved["msb"][0].time)
    rows: dict[str, Measured] = {
        f"{name.replace(', ', '_')}_{j}": time(f"carry class {j} solved, {TITLES[name]}", one, steps)
        for name, classes in solved.items()
        for j, one in enumerate(classes)
    }
    barrier = {
        name: statistics.paired_ratio(classes[deepest], classes[min(1, deepest)])
        for name, classes in solved.items()
    }
    rows |= {
        f"barrier_{name.replace(', ', '_')}": interval(
            f"step of class {deepest} over that of class 1, {TITLES[name]}", one.median, "", runs
        )
        for name, one in barrier.items()
    }
    holm, more = helps(solved)
    msb = barrier["msb"]
    parts = {
        "most significant first solves the longest cascades later than short ones": msb.later > msb.earlier
        and (1.0 if msb.p is None else msb.p) < LEVEL,
        **{f"carries written before help, {TITLES[order]}": p < LEVEL for order, p in holm.items()},
    }
    held, failed = ([name for name, holds in parts.items() if holds is which] for which in (True, False))
    seen = any(times.ended.mean() > 0.5 for classes in solved.values() for times in classes)
    return Result(
        "002-21",
        f"The longest cascades are solved at {{msb_{deepest}}} most significant digit first, at "
        f"{{carries_msb_{deepest}}} with the carries written before.",
        rows | more,
        "Three claims: most significant first, the deepest class is solved later than class 1 in more runs "
        f"than not (sign test, p < {LEVEL:g}); in either order it is solved earlier with the carries "
        "written first (log-rank, Holm's p over both orders).",
        "open: no class is solved by most runs; more steps would tell"
        if not seen
        else "confirmed"
        if not failed
        else "refuted"
        if not held
        else f"mixed: confirmed that {'; '.join(held)}; not that {'; '.join(failed)}",
        ["Every step has new problems: steps are data seen.", "Written carries make a sequence longer."],
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
