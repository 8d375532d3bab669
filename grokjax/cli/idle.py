"""Flags that were given and change nothing: a sentence each, so that no comparison is made with them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from grokjax import model, sweep
from grokjax.config import FREEZABLE
from grokjax.runner.request import Request
from grokjax.trees import named_leaves


def notes(asked: Request, given: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for every flag that was given and changes nothing in this sweep."""
    reasons = {**sweep.idle(asked.task, asked.config, asked.recipe), **static(asked), **frozen(asked)}
    return [f"--{name}={given[name]} changes nothing: {reasons[name]}" for name in reasons if name in given]


def static(asked: Request) -> dict[str, str]:
    """Returns the fields of task, ModelConfig and Recipe that change nothing, and why."""
    task, config, found = asked.task, asked.config, dict[str, str]()
    if not config.mlp:
        found |= dict.fromkeys(("d_mlp", "activation"), "mlp=False has no MLP")
    if config.positions != "abacus":
        found["max_offset"] = f"positions={config.positions!r} has no offset, only 'abacus' has"
    if task.finite:
        found["evaluation_size"] = "a finite table is evaluated whole"
    if getattr(task, "operation", "random") != "random":
        found["table_seed"] = "only operation='random' is drawn"
    elif getattr(task, "num_examples", 0) is None:
        found["table_seed"] = "no table is drawn without num_examples"
    return found


def frozen(asked: Request) -> dict[str, str]:
    """Returns why `frozen` does not hold all that it names: a tensor that the model does not have."""
    parts = {part for name in named_leaves(model.shapes(asked.config)) for part in name.split(".")}
    there = lambda name: any(part.startswith("ln") for part in parts) if name == "ln" else name in parts
    bits = int(np.bitwise_or.reduce(np.asarray(asked.hypers.frozen)))
    missing = [name for i, name in enumerate(FREEZABLE) if bits >> i & 1 and not there(name)]
    return {"frozen": f"the model has no {', '.join(missing)}"} if missing else {}
