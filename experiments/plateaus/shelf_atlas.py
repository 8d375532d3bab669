"""Which shelves do the losses of an addition show, and which exact level is each?

    python -m experiments.plateaus.shelf_atlas

Every digit, every seed, with those that fit none.

--digits 3, --d_model 64, --batch 128, --steps 4000, --seeds 32 of sequence mode, most significant digit
first; --plain 8 of these seeds once more without weight decay, to tell shelves of the task from those of the
decay. A shelf lies at a level by the tolerance of `lower_shelves`: from 5% below to 15% above it.
Time: 150 s on two cores; GPU: not measured.

Changed after a first look: the tolerance of a fit (which was .02 nats and called .022 the level .0069, then
5% either way); 001-60 counts 40 steps within .06 nats of the level instead of shelves found; 001-66 counts
shelves between .1 and ln 10.
Changed after a referee: 4000 steps instead of 2000, where most runs were still on their last shelf; 001-28 is
confirmed only of shelves that runs leave; 001-60 needs the detector's level as well as the mean of the
stretch, which is cut at its bounds; 001-66 asks where the loss ends, too.
"""

import sys

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from experiments.plateaus.shelf_atlas_answers import answers
from experiments.plateaus.shelves_at_levels import at_levels, row, title
from grokjax import figures, tasks
from grokjax.curves import shelves
from grokjax.runner import exact

DEFAULTS: dict[str, study.Setting] = {
    "digits": 3,
    "d_model": 64,
    "batch": 128,
    "steps": 4000,
    "seeds": 32,
    "plain": 8,
}
SMALL: dict[str, study.Setting] = {
    "digits": 2,
    "d_model": 8,
    "batch": 16,
    "steps": 60,
    "seeds": 2,
    "plain": 2,
}
NAMES = {
    "nothing": "nothing known",
    "answer_so_far": "answer so far known",
    "digit_pair+one_lower_digit": "pair + one lower digit",
    "lower:1": "top pair known",
}
"""What is known at a level, for the picture."""


def measure(this: Study) -> Finding:
    """The shelves of every digit and the exact levels beside them."""
    options = {name: this[name] for name in ("digits", "d_model", "batch")}
    found = this.sweep("msb", **options)
    plain = this.sweep("without_decay", weight_decay=0, **{**options, "seeds": this["plain"]})
    loss, levels = found.metrics["loss"], tasks.exact_levels(found.task)
    rows = shelves.table(loss, this.seeds)
    shown = at_levels(rows, levels)
    without = at_levels(shelves.table(plain.metrics["loss"], range(this["plain"])), levels)
    named = {(level.digit, level.known) for level in (*shown, *without)}
    lines = {
        title(digit): [(NAMES.get(name, name), nats) for name, nats in chosen if (digit, name) in named]
        for digit, chosen in exact.lines(levels, [*shown, *without], found.task).items()
    }
    stretches = {
        title(digit): [(row.level, row.first_step, row.last_step) for row in rows if row.digit == digit]
        for digit in sorted(levels, reverse=True)
    }
    listed = lambda shown, runs: [row(level, runs_at, runs) for level, runs_at in shown.items()]
    return Finding(
        task=f"{this['digits']}-digit addition, sequence mode, most significant first",
        size=f"1 layer, width {this['d_model']}, 4 heads, batch {this['batch']}, {this['steps']} steps, "
        "decay .5",
        seeds=this.seeds,
        answers=answers(this["digits"], loss, shown, without, this["plain"]),
        numbers={
            "shelves": listed(shown, len(loss)),
            "shelves_without_decay": listed(without, this["plain"]),
        },
        plot=figures.shelf_map(stretches, levels=lines),
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
