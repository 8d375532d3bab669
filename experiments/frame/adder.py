"""The runs that experiments of `grokjax.interp` look into: n-digit addition, most significant digit first,
trained once for all.
"""

from experiments.frame.study import Setting, Study
from grokjax.checkpoints import Sweep

SIZE: dict[str, Setting] = {
    "digits": 5,
    "layers": 1,
    "d_model": 128,
    "batch": 256,
    "steps": 2500,
    "seeds": 32,
}
TINY: dict[str, Setting] = {"digits": 2, "layers": 1, "d_model": 8, "batch": 16, "steps": 100, "seeds": 2}
"""The settings of an experiment's DEFAULTS and SMALL that `trained` reads."""
SAVED = (0, 1, 2, 3, 4, 6, 8, 10, 14, 20, 30, 40, 50)
"""Epochs of 50 steps."""


def trained(this: Study, *, order: str = "msb", layers: int | None = None) -> Sweep:
    """Runs of 4 heads in sequence mode, decay .1, with snapshots from the start to the end; found where
    another experiment trained them.
    """
    size = {name: this[name] for name in SIZE} | ({"layers": layers} if layers else {})
    label = "adder_" + "_".join(
        [order, *(f"{name}{size[name]}" for name in ("digits", "layers", "d_model", "batch"))]
    )
    last = -(-size["steps"] // 50)
    return this.shared(
        label,
        order=order,
        weight_decay=0.1,
        epoch_steps=50,
        save=",".join(str(epoch) for epoch in SAVED if epoch <= last),
        **size,
    )
