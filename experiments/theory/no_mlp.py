"""What can attention alone do?

    python -m experiments.theory.no_mlp

Frozen and live attention without an MLP against the bound of additive logits, where it bites and where not.

--digits 2, --d_model 64 with --heads 8, --batch 256, --steps 2000, --seeds 8, no weight decay: the digits
--single 0,1,2 in single mode, and the --orders 0,1 (units first, most significant first) of sequence mode;
frozen attention is one learned pattern per head, whatever the tokens. The tens of single mode with
--few_heads 1, 2 and 4 as well, together as wide. Then the note's own size, width 128, 8 heads, digit 2 of
--third_digits 3 in single mode, live, with and without an MLP, --third_steps 2000. --starts 30 of each search
for the best heads on a sum of two of --symbols 10.
Time: 3 minutes on two cores; GPU: not measured.
"""

import sys

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from experiments.theory.best_heads import on_exclusive_or, on_heads, reached
from experiments.theory.frozen_and_live import ORDERS, finals, on_runs, row, series, with_heads
from experiments.theory.third_digit import third_digit, trained
from grokjax import figures

DEFAULTS: dict[str, study.Setting] = {
    "digits": 2,
    "single": (0, 1, 2),
    "orders": (0, 1),
    "d_model": 64,
    "heads": 8,
    "few_heads": (1, 2, 4),
    "batch": 256,
    "steps": 2000,
    "seeds": 8,
    "third_digits": 3,
    "third_d_model": 128,
    "third_steps": 2000,
    "starts": 30,
    "symbols": 10,
}
SMALL: dict[str, study.Setting] = {
    "digits": 1,
    "single": (0,),
    "orders": (1,),
    "d_model": 8,
    "heads": 2,
    "few_heads": (1,),
    "batch": 16,
    "steps": 20,
    "seeds": 2,
    "third_digits": 1,
    "third_d_model": 8,
    "third_steps": 20,
    "starts": 1,
    "symbols": 3,
}


def measure(this: Study) -> Finding:
    """Every digit of every mode, frozen and live; then the theory of live attention."""
    n = this["digits"]
    found = [
        one
        for digit in this["single"]
        for one in finals(this, f"single_{digit}", {digit: 0}, mode="single", digit=digit)
    ]
    for order in (list(ORDERS)[place] for place in this["orders"]):
        found += finals(this, order, {digit: digit for digit in range(n + 1)}, order=order)
    third = trained(this)
    reach, xor = reached(this["symbols"], this["starts"]), on_exclusive_or()
    tens = next((one for one in found if one.mode == "single mode" and one.digit == 1), found[0])
    by_heads = with_heads(this, tens)
    panels = {
        mode: series({one.digit: one for one in found if one.mode == mode})
        for mode in dict.fromkeys(one.mode for one in found)
    }
    heads = f"single mode, digit {tens.digit}"
    panels[heads] = series(by_heads)
    return Finding(
        task=f"{n}-digit addition without an MLP; digit {this['third_digits'] - 1} of "
        f"{this['third_digits']} digits",
        size=f"1 layer, width {this['d_model']}, {this['heads']} heads, batch {this['batch']}, rate 1e-3, "
        f"no decay, {this['steps']} steps; "
        f"width {this['third_d_model']}, {this['third_steps']} steps",
        seeds=this.seeds,
        answers=[
            *on_runs(found, by_heads),
            third_digit(third, this),
            *on_heads(reach, xor, by_heads, this),
        ],
        numbers={"final": [row(one) for one in found], "least_loss_by_heads": reach, "xor_by_heads": xor},
        plot=figures.points(
            panels,
            xlabel={mode: "heads" if mode == heads else "digit (0 = units)" for mode in panels},
            ylabel="final loss (nats)",
            joined=False,
        ),
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
