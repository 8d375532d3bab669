"""One optimiser step of a run, and its evaluation."""

import jax
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, Int, PyTree

from grokjax import keys, objective
from grokjax.config import Hyper
from grokjax.training import data
from grokjax.training.metrics import Metrics, norms, summary
from grokjax.training.optimizer import gradient_point, updated
from grokjax.training.state import Program, RunState


def step(program: Program, hyper: Hyper, train: PyTree, state: RunState) -> tuple[RunState, Metrics]:
    """One update, and the metrics of the parameters before it."""
    return update(program, hyper, data.training_batch(program.task, hyper, train, state.step), state)


def update(program: Program, hyper: Hyper, batch: PyTree, state: RunState) -> tuple[RunState, Metrics]:
    """`step`, on these examples."""
    config, recipe = program.config, program.recipe
    offset = random_offset(program, hyper, state)

    def loss(params: PyTree) -> tuple[Float[Array, ""], objective.Scores]:
        return objective.mean_loss(config, program.task, recipe, params, hyper, batch, offset=offset)

    point = gradient_point(recipe, hyper, state.params, state.opt_state)
    (mean, scores), gradient = jax.value_and_grad(loss, has_aux=True)(point)
    total, each = norms(gradient)
    finite = jnp.isfinite(mean) & jnp.isfinite(total)
    metrics = summary(program, scores) | dict(
        gradient_norm=total, parameter_norm=norms(state.params)[0], gradient_norms=each
    )
    going = state.active & finite
    params, opt_state = updated(recipe, hyper, gradient, state.params, state.opt_state, going)
    alive = state.alive & (finite | state.stopped)
    return RunState(state.step + going, params, opt_state, alive, state.stopped), metrics


def random_offset(program: Program, hyper: Hyper, state: RunState) -> Int[Array, ""] | int:
    """Abacus shifts all places by one random number in training, by 0 in evaluation."""
    if program.config.positions != "abacus":
        return 0
    return random.randint(keys.at_step(hyper.seed, "noise", state.step), (), 0, program.config.max_offset + 1)


def evaluate(program: Program, hyper: Hyper, test: PyTree, state: RunState) -> Metrics:
    """Metrics on a run's evaluation set, their names beginning with `test_`."""
    batch = data.evaluation_batch(program.task, program.recipe, hyper, test)
    # the fastest program for the scores is that of the loss
    _, scores = objective.mean_loss(program.config, program.task, program.recipe, state.params, hyper, batch)
    return {f"test_{name}": x for name, x in summary(program, scores).items()}
