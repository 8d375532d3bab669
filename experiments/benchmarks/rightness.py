"""Loss and gradient of every form on this machine's device against float64 on its CPU."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.forms import FORMS, form_is
from experiments.benchmarks.lines import Lines
from grokjax import objective, tasks
from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.model import init, transformer

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "5 digits": (tasks.Addition(num_digits=5), {}),
    "5 digits, 2 layers": (tasks.Addition(num_digits=5), dict(num_layers=2)),
    "modulus 113": (tasks.ModularArithmetic(), {}),
    "modulus 59, pizza, GeLU": (tasks.ModularArithmetic(modulus=59), dict(mask="full", activation="gelu")),
    "3 digits, single, RoPE": (tasks.Addition(num_digits=3, mode="single", digit=1), dict(positions="rope")),
}


def right(lines: Lines) -> None:
    """The error of loss and gradient, relative to their size, in each form and precision."""
    for label, (task, options) in CASES.items():
        with lines.trying("right", case=label):
            config = ModelConfig.of(task, **options)
            with jax.default_device(jax.devices("cpu")[0]):
                params = init(config, jax.random.key(1))
                examples: Any = task.table() if task.finite else task.batch(jax.random.key(2))
                examples = jax.tree.map(np.asarray, examples)
                true = in_float64(config, task, params, examples)
            for form in FORMS:
                for precision in ("float32", "tensorfloat32"):
                    with lines.trying("right", case=label, form=form, precision=precision), form_is(form):
                        recipe = Recipe(precision=precision)
                        found = in_float32(config, task, recipe, params, examples)
                        loss, gradient = errors(found, true)
                        lines.put(
                            "right", case=label, form=form, precision=precision, loss=loss, gradient=gradient
                        )


def in_float64(config: ModelConfig, task: Any, params: Any, examples: Any) -> Any:
    """Loss and gradient of the program that has every activation, in double precision on the CPU."""

    def loss(params: Any) -> jax.Array:
        logits = transformer.forward(config, params, examples.tokens, read=task.read, tap=lambda name, x: x)
        return objective.cross_entropy(objective.by_answer(task, logits), examples.labels).mean()

    with jax.enable_x64(True):
        wide = jax.tree.map(lambda x: jnp.asarray(np.asarray(x), jnp.float64), params)
        return jax.tree.map(np.asarray, jax.jit(jax.value_and_grad(loss))(wide))


def in_float32(config: ModelConfig, task: Any, recipe: Recipe, params: Any, examples: Any) -> Any:
    """Loss and gradient as training has them, for a block of two runs."""

    def loss(params: Any) -> jax.Array:
        return objective.mean_loss(config, task, recipe, params, Hyper(), examples)[0]

    two = jax.tree.map(lambda x: np.stack([np.asarray(x)] * 2), params)
    with jax.default_matmul_precision(recipe.precision):
        found = jax.jit(jax.vmap(jax.value_and_grad(loss)))(two)
    return jax.tree.map(lambda x: np.asarray(x)[1], found)


def errors(found: Any, true: Any) -> tuple[float, float]:
    """Relative errors of the loss, and of the gradient as one vector."""
    flat = lambda tree: np.concatenate([np.ravel(x).astype(float) for x in jax.tree.leaves(tree)])
    of = lambda a, b: float(np.linalg.norm(a - b) / np.linalg.norm(b))
    return of(flat(found[0]), flat(true[0])), of(flat(found[1]), flat(true[1]))
