"""The state of a run, and what a program needs to know to make and advance it."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jaxtyping import Array, Bool, Int, PyTree

from grokjax import keys, model
from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.objective import Task
from grokjax.training.optimizer import initial


@dataclasses.dataclass(frozen=True)
class Program:
    """What is static about a training program."""

    task: Task
    config: ModelConfig
    recipe: Recipe


class RunState(struct.PyTreeNode):
    """What training changes of a run; the runs of a sweep have leaves [S, ...].

    step: updates done
    opt_state: the optimiser's state, optax's, within that of the recipe's interventions
    alive: False from the step at which loss or gradient was not finite
    stopped: True once the mean training loss of an epoch was below `Recipe.stop_below`

    A run that is not alive, or is stopped, keeps its state to the bit.
    """

    step: Int[Array, ""]
    params: PyTree
    opt_state: optax.OptState
    alive: Bool[Array, ""]
    stopped: Bool[Array, ""]

    @property
    def active(self) -> Bool[Array, ""]:
        """Whether the next step will change the run."""
        return self.alive & ~self.stopped


class Snapshot(NamedTuple):
    """A place in training to go on from: the number of the epoch, the optimiser steps done, all runs' states.

    An `Epoch` serves as one too.
    """

    number: int
    step: int
    state: RunState


def start(program: Program, hyper: Hyper) -> RunState:
    """The state that a run's seed gives, before the first step."""
    params = model.init(program.config, keys.stream(hyper.seed, "init"), hyper)
    opt_state = initial(program.recipe, hyper, params)
    return RunState(jnp.int32(0), params, opt_state, jnp.bool_(True), jnp.bool_(False))


def shapes(program: Program) -> RunState:
    """The state of one run as shapes and types; nothing is computed."""
    return jax.eval_shape(lambda: start(program, Hyper()))


def column_order(task: Task) -> np.ndarray:
    """The permutation that puts answers in reading order into the order of metric columns (column k is digit
    k).
    """
    return np.argsort(np.asarray(task.columns), kind="stable")
