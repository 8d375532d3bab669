"""The contract of functions that are written for one run: they compile once, and under vmap give what each run gives alone.

A public function of grokjax.interp that takes jax arrays has an example here; the others are listed as working on the host.
"""
import functools
import importlib
import inspect
import pkgutil

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax import interp, keys, model, objective
from grokjax.training.optimizer import optimizer

RUNS = 3
TASK = gj.Addition(num_digits=1, batch_size=4)
CONFIG, RECIPE, HYPER = gj.presets.nanda_addition(TASK)
CONFIG = gj.ModelConfig(**{**CONFIG.__dict__, "d_model": 8, "num_heads": 2})
ON_THE_HOST = {"planted", "problems", "shelves", "spikes", "statistics", "trend", "windows"}
"""Modules of interp that take numpy arrays of one curve, or a task, and loop in Python."""
ON_NUMPY = {"interp.ablation.units_for"}
"""Functions of other modules that do."""
SCORED = (CONFIG, TASK, RECIPE)


def params(key):
    return model.init(CONFIG, key, HYPER)


def scored(key):
    return params(key), HYPER, TASK.batch(key)


def logits(key):
    return 3 * random.normal(key, (4, 2, 10))


def labels(key):
    return random.randint(random.fold_in(key, 1), (4, 2), 0, 10)


def measured(key):
    """Log-probabilities of a digit, and the problems, drawn from the key, that they belong to."""
    a, b = random.randint(key, (2, 64, 2), 0, 4)
    problems = interp.problems.Problems(jnp.zeros((64, 0), int), a, b, jnp.full(64, 1 / 64))
    return jax.nn.log_softmax(random.normal(key, (64, 4))), problems


def joint_law(key):
    return (jax.nn.softmax(random.normal(key, (4, 4, 4)), axis=(0, 1, 2)),)


def answered(key):
    log_probs, problems = measured(key)
    return log_probs, problems.a[:, 0], problems.weights


def trained(key):
    run = params(key)
    adam = optimizer(RECIPE, HYPER)
    return run, adam.update(jax.tree.map(jnp.sin, run), adam.init(run), run)[1]


def attended(key):
    return params(key), TASK.batch(key).tokens


def batched(key):
    return params(key), TASK.batch(key)


def two_patterns(key):
    return tuple(jax.nn.softmax(random.normal(key, (2, 1, 2, 4, 4)) * random.uniform(key)))


EXAMPLES = {
    "objective.cross_entropy": (objective.cross_entropy, lambda key: (logits(key), labels(key))),
    "objective.against": (objective.against, lambda key: (logits(key), labels(key))),
    "objective.scores": (functools.partial(objective.scores, *SCORED), scored),
    "objective.mean_loss": (functools.partial(objective.mean_loss, *SCORED), scored),
    "model.init": (lambda seed: model.init(CONFIG, keys.stream(seed, "init"), HYPER), lambda key: (random.randint(key, (), 0, 99),)),
    "model.forward": (functools.partial(model.forward, CONFIG), lambda key: (params(key), TASK.batch(key).tokens)),
    "tap.run_with_cache": (gj.run_with_cache(functools.partial(model.forward, CONFIG)), lambda key: (params(key), TASK.batch(key).tokens)),
    "tasks.batch": (TASK.batch, lambda key: (key,)),
    "tasks.decode": (lambda params, batch: gj.tasks.decode(
        lambda tokens: model.forward(CONFIG, params, tokens, read=TASK.read), TASK, batch), lambda key: (params(key), TASK.batch(key))),
    "interp.ablation.neurons": (functools.partial(interp.ablation.neurons, CONFIG, TASK), batched),
    "interp.ablation.heads": (functools.partial(interp.ablation.heads, CONFIG, TASK), batched),
    "interp.attention.patterns": (functools.partial(interp.attention.patterns, CONFIG), attended),
    "interp.attention.scores": (functools.partial(interp.attention.scores, CONFIG), attended),
    "interp.attention.distance": (interp.attention.distance, two_patterns),
    "interp.attention.at_distance": (lambda before, _: interp.attention.at_distance(before, 1, 2), two_patterns),
    "interp.carry_odds.given_digit": (functools.partial(interp.carry_odds.given_digit, digit=2), measured),
    "interp.confusion.matrix": (interp.confusion.matrix, answered),
    "interp.confusion.standard_errors": (interp.confusion.standard_errors, answered),
    "interp.excess.split": (functools.partial(interp.excess.split, digit=1), measured),
    "interp.excess.candidates": (functools.partial(interp.excess.candidates, digit=1), measured),
    "interp.joint.law": (functools.partial(interp.joint.law, CONFIG, TASK), lambda key: (params(key), TASK.batch(key).tokens[0])),
    "interp.joint.margins": (interp.joint.margins, joint_law),
    "interp.joint.total_correlation": (interp.joint.total_correlation, joint_law),
    "interp.joint.total_variation": (interp.joint.total_variation, lambda key: (logits(key), logits(random.fold_in(key, 1)))),
    "interp.naive.carries": (lambda _, problems: interp.naive.carries(problems, 4, 2), measured),
    "interp.naive.digits": (lambda _, problems: interp.naive.digits(problems, 4, 1), measured),
    "interp.naive.depths": (lambda _, problems: interp.naive.depths(problems, 4, 2), measured),
    "interp.naive.shares": (functools.partial(interp.naive.shares, digit=2), measured),
    "interp.naive.shares_by_depth": (functools.partial(interp.naive.shares_by_depth, digit=2), measured),
    "interp.predictions.log_probabilities": (functools.partial(interp.predictions.log_probabilities, CONFIG, TASK, 1), attended),
    "interp.updates.norms": (interp.updates.norms, lambda key: (params(key), params(random.fold_in(key, 1)))),
    "interp.updates.first_moments": (interp.updates.first_moments, trained),
    "interp.updates.second_moments": (interp.updates.second_moments, trained),
    "interp.updates.root_second_moments": (interp.updates.root_second_moments, trained),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_compiles_once_and_under_vmap_gives_what_each_run_gives(name):
    function, make = EXAMPLES[name]
    arguments = [make(key) for key in random.split(random.key(0), RUNS)]
    stack = lambda trees: jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees)
    chex.clear_trace_counter()
    compiled = jax.jit(chex.assert_max_traces(lambda *one: function(*one), n=1))
    each = stack([compiled(*one) for one in arguments])
    together = jax.jit(jax.vmap(function))(*stack(arguments))
    chex.assert_trees_all_close(together, each, rtol=2e-5, atol=2e-6)
    assert any((np.asarray(leaf)[1:] != np.asarray(leaf)[0]).any() for leaf in jax.tree.leaves(each)), "the examples are all alike"


def test_every_function_of_interp_is_under_the_contract():
    names = {module.name for module in pkgutil.iter_modules(interp.__path__)} - ON_THE_HOST
    members = {f"interp.{name}.{member}" for name in names
               for member, thing in inspect.getmembers(importlib.import_module(f"grokjax.interp.{name}"), inspect.isfunction)
               if not member.startswith("_") and thing.__module__ == f"grokjax.interp.{name}"}
    members -= ON_NUMPY
    assert members <= set(EXAMPLES), f"give {sorted(members - set(EXAMPLES))} an example"
