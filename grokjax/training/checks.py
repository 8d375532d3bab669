"""What `train` refuses before anything is compiled: each refusal says what was given and what is wanted."""

import dataclasses
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from grokjax import model, sweep
from grokjax.config import Hyper, ModelConfig, Recipe, require_fit
from grokjax.objective import Task
from grokjax.trees import named_leaves

OPTIMIZER = (
    "a function `hyper -> optax.GradientTransformation`, such as "
    "`def lion(hyper): return optax.lion(hyper.learning_rate)`"
)
LOSS = "a function `(logits [..., V], labels [...]) -> losses [...]`, one loss for every answer"


def check(task: Task, config: ModelConfig, recipe: Recipe, hypers: Hyper) -> Hyper:
    """The hypers of a sweep with leaves [S], int32 or float32, if all four fit each other.

    Raises ValueError for a config that does not fit the task, one run's hyper, a value out of range, and an
    optimiser or a loss of the user's own that is not what `Recipe` wants.
    """
    require_fit(config, task)
    if not isinstance(hypers, Hyper):
        raise ValueError(f"hypers={hypers!r} must be a Hyper with leaves [S], as grid and paired make it")
    num_runs = sweep.num_runs(hypers)
    for field in dataclasses.fields(Hyper):
        shape = np.shape(getattr(hypers, field.name))
        if shape != (num_runs,):
            raise ValueError(
                f"hypers.{field.name} has shape {shape}, but hypers.seed has ({num_runs},): grid and paired "
                "give every field one value for each run"
            )
    hypers = sweep.check(hypers)
    if recipe.optimizer == "schedule_free" and not (np.asarray(hypers.b1) > 0).all():
        raise ValueError("b1=0 must be above 0 with optimizer='schedule_free', which divides by it")
    if callable(recipe.optimizer):
        _check_optimizer(recipe.optimizer, config)
    if callable(recipe.loss):
        _check_loss(recipe.loss)
    return hypers


def whole(name: str, value: Any, least: int) -> int:
    """An integer of at least so much, or a ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ValueError(f"{name}={value!r} must be an integer of at least {least}")
    return number


def _name(function: Any) -> str:
    return getattr(function, "__name__", None) or repr(function)


def _check_optimizer(given: Any, config: ModelConfig) -> None:
    """One update of the user's optimiser, traced with shapes alone."""
    params = model.shapes(config)

    def update(hyper: Hyper, params: Any) -> Any:
        own = given(hyper)
        return own.update(params, own.init(params), params)[0]

    try:
        changes = jax.eval_shape(update, jax.tree.map(jnp.asarray, Hyper()), params)
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"Recipe.optimizer={_name(given)} fails when it is called with a Hyper "
            f"({type(error).__name__}: {said}): it must be {OPTIMIZER}"
        ) from error
    if named_leaves(changes).keys() != named_leaves(params).keys():
        raise ValueError(
            f"Recipe.optimizer={_name(given)} gives no change for every parameter: it must be {OPTIMIZER}"
        )


def _check_loss(given: Any) -> None:
    """The user's loss of two examples with three answers, traced with shapes alone."""
    logits, labels = jax.ShapeDtypeStruct((2, 3, 5), jnp.float32), jax.ShapeDtypeStruct((2, 3), jnp.int32)
    try:
        losses = jax.eval_shape(given, logits, labels)
    except Exception as error:
        said = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"Recipe.loss={_name(given)} fails for logits [2, 3, 5] and labels [2, 3] "
            f"({type(error).__name__}: {said}): it must be {LOSS}"
        ) from error
    if getattr(losses, "shape", None) != (2, 3):
        shape = list(losses.shape) if hasattr(losses, "shape") else type(losses).__name__
        raise ValueError(
            f"Recipe.loss={_name(given)} gives {shape} for logits [2, 3, 5] and labels [2, 3]: "
            f"it must be {LOSS}"
        )
