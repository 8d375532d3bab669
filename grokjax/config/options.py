"""The names that knobs take, and how a value is refused that is none of them."""

from typing import Any

POSITIONS = ("learned", "sinusoidal", "none", "rope", "abacus", "fire")
ATTENTIONS = ("live", "uniform", "positional")
ACTIVATIONS = ("relu", "gelu")
MASKS = ("causal", "full")
DISTRIBUTIONS = ("normal", "uniform")
OPTIMIZERS = ("adamw", "adam", "sgd", "muon", "schedule_free")
LOSSES = ("cross_entropy", "stablemax")
INTERVENTIONS = ("grokfast_ema", "grokfast_ma", "orthograd", "temperature", "norm_clamp")
OF_INTERVENTIONS = {
    "grokfast_strength": ("grokfast_ema", "grokfast_ma"),
    "grokfast_decay": ("grokfast_ema",),
    "orthograd": ("orthograd",),
    "temperature": ("temperature",),
    "norm_clamp": ("norm_clamp",),
}
"""Field -> the interventions in which it acts."""
SCHEDULES = ("constant", "cosine")
DIGIT_ORDERS = ("msb", "lsb")

TENSORS = ("W_E", "W_pos", "W_Q", "W_K", "W_V", "W_O", "W_in", "W_out", "W_U")
"""The weights that have an init scale of their own, `Hyper.scale_NAME`."""
FREEZABLE = (*TENSORS, "b_in", "b_out", "b_U", "attn_logits", "fire", "ln")
"""The names that `frozen` takes: bit i of `Hyper.frozen` holds every tensor of that name as it began."""


def one_of(name: str, value: Any, allowed: tuple[str, ...], more: tuple[str, ...] = ()) -> None:
    """Raise a ValueError that names the field, the value, what is allowed, and what more is in words."""
    if value not in allowed:
        raise ValueError(f"{name}={value!r} must be one of {', '.join((*allowed, *more))}")


def at_least(name: str, value: Any, least: int) -> None:
    """The same for an integer with a lower bound."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={value!r} must be an integer of at least {least}")


def several_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Raises the same unless `value` is `none`, or some of the names joined by +, each once."""
    parts = value.split("+") if isinstance(value, str) else [value]
    if value != "none" and (set(parts) - set(allowed) or len(set(parts)) < len(parts)):
        raise ValueError(f"{name}={value!r} must be none, or some of {', '.join(allowed)}, joined by +")


def freeze(*names: str) -> int:
    """The value of `Hyper.frozen` that holds the named tensors as they began: `freeze("W_E", "W_U")`."""
    for name in names:
        one_of("frozen", name, FREEZABLE)
    return sum(1 << FREEZABLE.index(name) for name in set(names))


SIZES = ("vocabulary", "num_positions", "num_outputs")
"""The fields of ModelConfig that a model and its task must have in common."""
DIGITS = ("base", "order")
"""Those that only an encoding by columns (abacus) reads."""


def sizes_of(task: Any) -> dict[str, Any]:
    """The fields of ModelConfig that follow from a task."""
    return {name: getattr(task, name) for name in SIZES} | {
        name: getattr(task, name) for name in DIGITS if hasattr(task, name)
    }
