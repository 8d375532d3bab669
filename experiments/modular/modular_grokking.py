"""How does a run come to grok modular addition: in which phases, and by which frequencies?

    python -m experiments.modular.modular_grokking

The preset of Nanda et al. (arXiv:2301.05217), their progress measures at --snapshots 48 saved epochs of every
run, over seeds. The key frequencies of a run are those of its last epoch.

--modulus 113, --d_model 128, --seeds 6, --steps 12000 full-batch steps on --percent 30 of the table.
More --seeds or --steps go on from what is there; --modulus=31 --d_model=64 --percent=50 runs in minutes.

The rules, all laid down before a run was seen:
  key frequency: at least 1% of the neurons have half of their variance or more in it
  memorised: the first step with a training loss below .01 nats
  formed: the first saved epoch after that at which the training loss without the key frequencies (excluded
    loss) is 1 nat or more
  grokked: the first step with a test loss below .01 nats; a run that has not by the last step is "> T"
  late: grokked at ten times the step of memorising or later; a run that has not grokked by then is late too
  phases in order: memorised before formed before grokked
  drop: a fall of the test loss by a factor of 2 or more within a twentieth of the steps, above .01 nats
  another algorithm at a drop: a key frequency comes or goes there, or gradient symmetricity moves by .2
How many runs have several drops, and whether all grok, wants more runs than these: see
experiments.modular.late_grokking.

Time: 33 minutes on two cores of their own; GPU: not measured.
"""

import sys

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.measured import share, time
from experiments.frame.result import Result
from experiments.frame.study import Setting, Study
from experiments.modular import phases, pictures
from experiments.modular.phases import FORMED, SOLVED, Events
from grokjax.curves import statistics

DEFAULTS: dict[str, Setting] = {
    "modulus": 113,
    "d_model": 128,
    "percent": 30,
    "seeds": 6,
    "steps": 12000,
    "snapshots": 48,
}
LARGE: dict[str, Setting] = {"seeds": 64, "steps": 20000}
SMALL: dict[str, Setting] = {
    "modulus": 7,
    "d_model": 8,
    "percent": 50,
    "seeds": 2,
    "steps": 60,
    "snapshots": 2,
}
LATE = 10
"""Times the step of memorising from which on grokking is late."""
ENOUGH = 16
"""Seeds that are asked for where the runs do not decide."""


def measure(this: Study) -> Finding:
    """The measures of every saved epoch of every run, the phases and the drops."""
    found, steps, seen, happened, fallen = phases.followed(this)
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, {this['percent']}% of the table",
        seeds=this.seeds,
        size=f"1 layer, width {this['d_model']}, 4 heads, decay 1, rate .001, full batch, {this['steps']} "
        "steps",
        answers=[by_phases(this, happened)],
        numbers=phases.numbers(found, steps, seen, happened, fallen),
        plot=pictures.with_measures(found, steps, seen, happened),
    )


def majority(successes: int, runs: int, more: str, most: float = 0.5) -> str:
    """Confirmed or refuted where Wilson's interval of a share lies above or below `most`."""
    found = statistics.wilson(successes, runs)
    if found.low is None or found.high is None:
        return f"open: no run tells; {more} would settle it"
    if found.low > most:
        return "confirmed"
    return "refuted" if found.high < most else f"open: the interval holds {most:g}; {more} would settle it"


def by_phases(this: Study, happened: Events) -> Result:
    """000-03."""
    memorised, _, grokked = happened
    after = LATE * memorised.time
    told = memorised.ended & (grokked.ended | (grokked.time >= after))
    late, known = int((told & (grokked.time >= after)).sum()), int(told.sum())
    ordered, all_three = int(happened.in_order.sum()), int(happened.known.sum())
    parts = {
        "grokking is late": majority(late, known, f"--seeds={ENOUGH}"),
        "the phases have this order": majority(ordered, all_three, f"--seeds={ENOUGH}"),
    }
    return Result(
        "000-03",
        "{late} do not grok before ten times their memorising step; the median one groks at {grokked}.",
        dict(
            late=share("runs that grok late or not yet, of those of which it is known", late, known),
            **{
                name: time(f"step of {word}", each, this["steps"])
                for (name, each), word in zip(
                    happened._asdict().items(), ("memorising", "forming", "grokking"), strict=True
                )
            },
            ordered=share("runs with memorising, forming and grokking in this order", ordered, all_three),
        ),
        f"Two claims: grokking does not come before {LATE} times the memorising step; memorising, forming "
        "and grokking come in this order. Each is confirmed where Wilson's interval of the share of runs "
        "lies above one half, refuted where it lies below, else open.",
        both(parts),
        [
            f"Memorised, grokked: a loss below {SOLVED} nats; formed: an excluded loss of {FORMED:g} nats.",
            "The order is known of runs in which all three have happened.",
        ],
    )


def both(parts: dict[str, str]) -> str:
    """The verdict of two claims from that of each."""
    kinds = {verdict.partition(":")[0] for verdict in parts.values()}
    if "open" in kinds:
        return next(verdict for verdict in parts.values() if verdict.startswith("open"))
    if len(kinds) == 1:
        return kinds.pop()
    return "mixed: " + "; ".join(f"{verdict} that {name}" for name, verdict in parts.items())


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
