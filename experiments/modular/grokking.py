"""When does modular addition generalise, and how long after it has memorised?

    python -m experiments.modular.grokking

The preset of Nanda et al., several seeds.

--modulus 113, --seeds 4, --steps 12000 full-batch steps on 30% of the table.

Time: 32 minutes on two cores of their own (25 run-steps a second); GPU: not measured.

Found: all 4 seeds memorise by step 260 to 272 (training loss below .01); their test loss rises to 19 to 30
  nats, stays there for thousands of steps, and falls below .01 at 6200, 7500 and 7650; the fourth is at 2.5
  nats at step 12000 and falling.
"""

import sys

import numpy as np

from experiments.frame import study
from experiments.frame.finding import Answer, Finding, counted, said
from experiments.frame.study import Setting, Study
from grokjax import figures
from grokjax.curves import statistics

DEFAULTS: dict[str, Setting] = {"modulus": 113, "d_model": 128, "seeds": 4, "steps": 12000}
SMALL: dict[str, Setting] = {"modulus": 7, "d_model": 8, "seeds": 2, "steps": 60}
SOLVED = 0.01
"""Nats below which a loss counts as solved."""
ENOUGH = 16
"""Seeds."""


def measure(this: Study) -> Finding:
    """The steps at which every seed's training and test losses fall below SOLVED."""
    found = this.sweep(
        "nanda", task="modular", preset="nanda", modulus=this["modulus"], d_model=this["d_model"]
    )
    train, test = (found.metrics[name][..., 0] for name in ("loss", "test_loss"))
    at = found.metrics["test_step"]
    memorised, solved = (
        statistics.until_below(curves, SOLVED, steps=steps, smoothing=1)
        for curves, steps in ((train, None), (test, at))
    )
    both = memorised.ended & solved.ended
    delays = (solved.time - memorised.time)[both]
    seen = lambda times: np.where(times.ended, times.time, np.nan)
    return Finding(
        task=f"modular addition, modulus {this['modulus']}, 30% of the table",
        seeds=this.seeds,
        size=f"1 layer, width {this['d_model']}, 4 heads, decay 1, rate .001, full batch, {this['steps']} "
        "steps",
        answers=[
            Answer(
                "000-03",
                "mod 113 on 30% of pairs, grokking late",
                f"runs with a test loss below {SOLVED} nats by step {this['steps']}; median step "
                "(Kaplan-Meier); median delay "
                f"after the training loss fell below it; seeds: {len(test)}",
                f"{counted(int(solved.ended.sum()), len(test))}; {said(solved.median, '.0f')}; "
                f"{said(statistics.median(delays), '.0f')}",
                verdict(memorised, solved),
            )
        ],
        numbers=dict(
            memorised=seen(memorised),
            solved=seen(solved),
            delay=delays,
            final_test_loss=test[:, -1],
            largest_test_loss=test.max(1),
        ),
        plot=figures.train_test(train, test, test_steps=at),
    )


def verdict(memorised: statistics.Times, solved: statistics.Times) -> str:
    """Grokking is late where the median run solves the test set at ten times the step at which it has
    memorised, or later.
    """
    late, early = solved.median.value, memorised.median.value
    if late is not None and early is not None and len(solved.time) < ENOUGH:
        return f"open: yes in these, {late / early:.0f} times as late; {ENOUGH} seeds would settle it"
    if late is None or early is None:
        return "open: fewer than half of the runs have generalised; --steps goes on from where they are"
    return "confirmed" if late >= 10 * early else "refuted"


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
