"""Clocks and pizzas: modular addition at several attention rates, trained once for all experiments."""

from experiments.frame.study import Setting, Study
from grokjax.checkpoints import Sweep

SIZE: dict[str, Setting] = {
    "modulus": 59,
    "d_model": 128,
    "rates": (0, 25, 45, 55, 65, 75, 85, 95, 100),
    "seeds": 8,
    "steps": 2000,
}
TINY: dict[str, Setting] = {"modulus": 5, "d_model": 8, "rates": (0, 100), "seeds": 2, "steps": 40}
"""The settings of an experiment's DEFAULTS and SMALL that `trained` reads; rates are percentages."""


def trained(this: Study, *, d_model: int | None = None, seeds: int | None = None) -> Sweep:
    """Returns runs of the pizza preset, every rate with every seed, of which the first and the last epoch are
    kept; found where another experiment trained them.

    d_model, seeds: other than the study's own
    """
    width = d_model or this["d_model"]
    label = f"attention_rates_modulus{this['modulus']}_d_model{width}"
    return this.shared(
        label,
        task="modular",
        preset="pizza",
        modulus=this["modulus"],
        d_model=width,
        attention_rate=[rate / 100 for rate in this["rates"]],
        seeds=list(range(seeds or this["seeds"])),
        epoch_steps=min(200, this["steps"]),
    )
