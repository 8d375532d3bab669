"""What can logits that are a sum of tables, one per token, know?

    python -m experiments.theory.additive_bounds

The propositions of the note on frozen attention, each as a number.

Theory but for --seeds 8 random models, whose frozen attention is held to be such a sum; --joints 100 random
joint laws for the fitting.
Time: 8 s on two cores; GPU: not measured.
"""

import sys

from experiments.frame import study
from experiments.frame.finding import Finding
from experiments.frame.study import Study
from experiments.theory.additive_answers import on_sums
from experiments.theory.additive_optimum import on_optimum
from experiments.theory.carry_levels import on_carries
from experiments.theory.frozen_attention import interaction, on_models
from experiments.theory.joint_laws import cases, numbers, random_laws
from grokjax import figures

DEFAULTS: dict[str, study.Setting] = {"seeds": 8, "joints": 100}
SMALL: dict[str, study.Setting] = {"seeds": 2, "joints": 2}


def measure(this: Study) -> Finding:
    """Every claim beside its number."""
    found, random = cases(), random_laws(this["joints"])
    kinds = {
        "additive optimum": lambda x: x.additive.loss,
        "best single token": lambda x: x.single,
        "product of singles": lambda x: x.product,
        "best powers of it": lambda x: x.powers,
        "all tokens known": lambda x: x.knowing_all,
    }
    panels = {
        "": {
            name: figures.Points(list(found), [(value(x), None, None) for x in found.values()])
            for name, value in kinds.items()
        }
    }
    frozen, live = ([interaction(seed, kind) for seed in this.seeds] for kind in ("uniform", "live"))
    return Finding(
        task="additive logits f(x, z) + g(y, z) under exact joint laws",
        size="theory; frozen attention in random models of width 64, 4 heads, no MLP",
        seeds=this.seeds,
        answers=[*on_sums(found), *on_optimum(found, random), *on_models(frozen, live), *on_carries()],
        numbers={
            "laws": {name.replace("\n", " "): numbers(x) for name, x in found.items()},
            "random_laws": dict(count=len(random), largest_gap=max(x.gap for x in random)),
        },
        plot=figures.points(
            panels, xlabel="joint law of the tokens and the outcome", ylabel="loss (nats)", joined=False
        ),
    )


if __name__ == "__main__":
    sys.exit(study.main(sys.modules[__name__], sys.argv[1:]))
