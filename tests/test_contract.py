"""The contract of functions that are written for one run: they compile once, and under vmap give what each
run gives alone.

The public functions of grokjax.interp are collected from its modules, and their arguments made by the
parameters' names. A module or a function that is exempt is named with its reason.
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
SCORED = (CONFIG, TASK, RECIPE)
EXEMPT = {
    "compiled": "writes weights by hand with numpy",
    "planted": "draws synthetic curves with numpy, for the detector's tests",
    "problems": "lays out fixed sets of problems with numpy, before anything is traced",
    "shelves": "works on one curve of any length, in Python; a shelf is a row of a table",
    "spikes": "works on one curve of any length, in Python",
    "statistics": "is about many runs, with scipy",
    "trend": "works on one curve of any length, in Python",
    "windows": "works on one curve of any length, in Python",
    "ablation.units_for": "gives as many units as it takes: a shape that depends on the numbers",
    "ablation.zero": "gives zeros, whatever the run",
    "ablation.constant": "gives a function",
    "ablation.resampled": "gives a function",
    "activations.names": "gives names, of a config alone",
    "edges.senders": "gives names, of a config alone",
    "edges.receivers": "gives names, of a config alone",
    "edges.exist": "says which edges a config has, with numpy",
    **{
        f"attention.{name}": "lays out the positions of a task with numpy, before anything is traced"
        for name in ("asked", "columns", "places")
    },
    "attribution.accumulated_labels": "gives names, of a config alone",
    "attribution.decompose_labels": "gives names, of a config alone",
    "attribution.full_labels": "gives names, of a config alone",
    "sites.names": "gives names, of a config alone",
    "lenses.names": "gives names, of a config alone",
    "similarity.match": "assigns units with scipy; its partners are whole numbers that jit would have to wait for",
    "sites.with_patterns": "gives edits, which are functions",
    "fourier.basis": "is a constant of its size",
    "fourier.frequencies": "is a constant of its size",
    "own_pair.answered": "lists digits of a task",
    "lengths.problems": "lays out a fixed set of problems with numpy, before anything is traced",
}
"""Modules, and functions of other modules, that need not survive jit, and why."""


def params(key):
    return model.init(CONFIG, key, HYPER)


def scored(key):
    return params(key), HYPER, TASK.batch(key)


def logits(key):
    return 3 * random.normal(key, (4, 2, 10))


def labels(key):
    return random.randint(random.fold_in(key, 1), (4, 2), 0, 10)


def problems(key):
    a, b = random.randint(key, (2, 64, 2), 0, 4)
    return interp.addition.evaluation_sets.Problems(jnp.zeros((64, 0), int), a, b, jnp.full(64, 1 / 64))


def moments(key):
    adam, run = optimizer(RECIPE, HYPER), params(key)
    return adam.update(jax.tree.map(jnp.sin, run), adam.init(run), run)[1]


def patterns(key):
    return jax.nn.softmax(random.normal(key, (1, 2, 4, 4)) * random.uniform(key))


def normal(*shape):
    return lambda key: random.normal(random.fold_in(key, sum(shape)), shape)


TWO_LAYERS = gj.ModelConfig(**{**CONFIG.__dict__, "num_layers": 2, "layer_norm": True, "unembed_bias": True})


def deep(key):
    """Parameters of TWO_LAYERS whose biases are not 0."""
    return jax.tree.map(lambda leaf: leaf + random.normal(key, leaf.shape) / 9, model.init(TWO_LAYERS, key))


def cache(key):
    return interp.activations.cached(CONFIG, params(key), TASK.batch(key).tokens)[1]


def symbols(key):
    return random.randint(key, TASK.batch(key).tokens.shape, 0, 10)


def edited_digit(key):
    """Problems with their tokens, and what to put in the place of a site."""
    a, b = random.randint(key, (2, 16, 1), 0, 10)
    return interp.addition.evaluation_sets.Problems(TASK.encode(a, b).tokens, a, b, jnp.full(16, 1 / 16))


def partly_right(key):
    """A batch whose first labels are what `params` of the same key answers."""
    batch = TASK.batch(key)
    said = objective.logits_of(CONFIG, TASK, params(key), batch.tokens).argmax(-1)
    return batch._replace(labels=(said + (jnp.arange(4)[:, None] >= random.randint(key, (), 0, 5))) % 10)


def mask(key):
    return random.uniform(key, (len(interp.edges.receivers(CONFIG)), len(interp.edges.senders(CONFIG))))


FIXED = {
    "config": CONFIG,
    "task": TASK,
    "digit": 1,
    "base": 4,
    "depth": 2,
    "layer": 0,
    "distance": 1,
    "statistics": lambda rows: (rows**3).sum(0)[:2] * rows[0, :2],
    "own_pair.loss_with.digit": 0,
    "draws": 19,
    "ablation.groups.count": 2,
    "edges.minimal.limit": 0.0,
    "score": lambda logits: jnp.sin(logits).sum(),
    "attention.at_distance.first": 2,
    "predictions.log_probabilities.digit": 0,
    "positions": (1, 3),
    "num_classes": 3,
    "num_examples": 16,
    "counts": (20, 5),
    "period": 2,
    "into": "K",
    "of": "token",
    "norm": "ln1",
    "weight": "W_V",
    **{
        f"{name}.config": TWO_LAYERS
        for name in (
            "attribution.bias_logits",
            "composition.heads",
            "composition.neurons_to_heads",
            "composition.pairs_by_k_composition",
        )
    },
}
"""Arguments that are the same for every run, by the parameter's name, or by MODULE.FUNCTION.PARAMETER where a
function means another.
"""
MADE = {
    "source": lambda key: TASK.batch(random.fold_in(key, 1)).tokens,
    "edges.forward.mask": mask,
    "edges.patterns.mask": mask,
    "ablation.mean.x": lambda key: random.normal(key, (4, 2)),
    "ablation.groups.classes": lambda key: random.randint(key, (9,), 0, 2),
    "patching.effect.patched": lambda key: random.normal(key, (3,)),
    "patching.effect.clean": random.uniform,
    "patching.effect.corrupted": lambda key: 2 + random.uniform(key),
    "params": params,
    "batch": TASK.batch,
    "tokens": lambda key: TASK.batch(key).tokens,
    "logits": logits,
    "labels": labels,
    "problems": problems,
    "log_probs": lambda key: jax.nn.log_softmax(random.normal(key, (64, 4))),
    "key": lambda key: key,
    "answers": lambda key: problems(key).a[:, 0],
    "moments": moments,
    "pattern": patterns,
    "before": patterns,
    "after": lambda key: patterns(random.fold_in(key, 1)),
    **{
        f"fourier.{name}.weight": normal(6, 3)
        for name in ("coefficients", "row_norms", "norms", "power", "stands_out")
    },
    "table": normal(4, 4, 3),
    "rows": normal(6, 4),
    "frames": normal(5, 6, 2),
    "fourier.gini.values": lambda key: random.uniform(key, (7,)),
    "number_line.left_out_r2.targets": normal(6, 2),
    **{f"pca.{name}.weight": normal(6, 5) for name in ("components", "circularity")},
    "pca.orbits.weights": normal(3, 6, 5),
    **{f"own_pair.{name}.problems": edited_digit for name in ("tables", "loss_with")},
    "change": normal(10, 10, 32),
    "lengths.exact_match.batch": partly_right,
    "updates.norms.before": params,
    "updates.norms.after": lambda key: params(random.fold_in(key, 1)),
    "prompt": lambda key: TASK.batch(key).tokens[0],
    "joint": lambda key: jax.nn.softmax(random.normal(key, (4, 4, 4)), axis=(0, 1, 2)),
    "joint.total_variation.first": logits,
    "joint.total_variation.second": lambda key: logits(random.fold_in(key, 1)),
    "activation": normal(16, 6),
    "classes": lambda key: random.randint(key, (16,), 0, 3),
    "matrix": normal(6, 3),
    "other": normal(6, 2),
    "along": normal(6),
    "step": normal(6),
    "weights": lambda key: random.uniform(key, (16,)),
    **{
        f"confusion.{name}.weights": lambda key: random.uniform(key, (64,))
        for name in ("matrix", "standard_errors")
    },
    "targets": lambda key: jax.nn.softmax(random.normal(key, (16, 3))),
    "probe": lambda key: interp.probes.Probe(normal(6, 3)(key), normal(3)(key)),
    **{f"similarity.{name}.other": normal(16, 5) for name in ("cka", "debiased_cka", "correlations")},
    "masks": lambda key: random.bernoulli(key, 0.5, (2, 32)),
    "damage": normal(32),
    "square": lambda key: normal(9, 6)(key).T @ normal(9, 6)(key),
    "right": normal(6, 2),
    "directions.alike.other": normal(16, 6),
    "directions.alike.classes": lambda key: random.randint(key, (16,), 0, 2),
    "probes.selectivity.score": lambda key: interp.probes.Score(*normal(4)(key)),
    "control": lambda key: interp.probes.Score(*normal(5)(key)[:4]),
    "attention.patterns_by_class.classes": lambda key: random.randint(key, (4,), 0, 3),
    "cache": cache,
    "correct": symbols,
    "parts": lambda key: interp.attribution.full_decomposition(CONFIG, cache(key)),
    "incorrect": lambda key: symbols(random.fold_in(key, 1)),
    "kept": lambda key: random.bernoulli(key, 0.5, (2, 5)),
    "own_token": lambda key: random.bernoulli(key, 0.5, (2,)),
    **{
        f"{name}.params": deep
        for name in (
            "attribution.bias_logits",
            "composition.heads",
            "composition.neurons_to_heads",
            "composition.pairs_by_k_composition",
        )
    },
    "stream": normal(2, 2, 4, 8),
    "directions.flips.problems": edited_digit,
    "edited": lambda key: 5 * normal(16, 8)(key),
}
"""Functions of a key that make the arguments in which runs differ, named alike."""
OTHERS = {
    "objective.cross_entropy": (objective.cross_entropy, lambda key: (logits(key), labels(key))),
    "objective.against": (objective.against, lambda key: (logits(key), labels(key))),
    "objective.scores": (functools.partial(objective.scores, *SCORED), scored),
    "objective.mean_loss": (functools.partial(objective.mean_loss, *SCORED), scored),
    "model.init": (
        lambda seed: model.init(CONFIG, keys.stream(seed, "init"), HYPER),
        lambda key: (random.randint(key, (), 0, 99),),
    ),
    "model.forward": (
        functools.partial(model.forward, CONFIG),
        lambda key: (params(key), TASK.batch(key).tokens),
    ),
    "tap.run_with_cache": (
        gj.run_with_cache(functools.partial(model.forward, CONFIG)),
        lambda key: (params(key), TASK.batch(key).tokens),
    ),
    "tasks.batch": (TASK.batch, lambda key: (key,)),
    "tasks.decode": (
        lambda params, batch: gj.tasks.decode(
            lambda tokens: model.forward(CONFIG, params, tokens, read=TASK.read), TASK, batch
        ),
        lambda key: (params(key), TASK.batch(key)),
    ),
}
"""Functions outside interp that are written for one run: (function, key -> arguments)."""


def collected():
    """The public functions of interp that are not exempt, by MODULE.FUNCTION."""
    found = {}
    for module in pkgutil.iter_modules(interp.__path__):
        for name, function in inspect.getmembers(
            importlib.import_module(f"grokjax.interp.{module.name}"), callable
        ):
            own = getattr(
                function, "__module__", ""
            ) == f"grokjax.interp.{module.name}" and not inspect.isclass(function)
            if own and not name.startswith("_") and not {module.name, f"{module.name}.{name}"} & set(EXEMPT):
                found[f"{module.name}.{name}"] = function
    return found


COLLECTED = collected()


def example(name):
    """(function, key -> arguments): what is fixed is bound, what differs between runs is made."""
    if name in OTHERS:
        return OTHERS[name]
    makers, fixed = {}, {}
    for parameter in inspect.signature(COLLECTED[name]).parameters.values():
        own = f"{name}.{parameter.name}"
        for places, kept in ((FIXED, fixed), (MADE, makers)):
            if (place := own if own in places else parameter.name) in places and not (
                own in MADE and places is FIXED
            ):
                kept[parameter.name] = places[place]
        if parameter.default is parameter.empty and parameter.kind != parameter.VAR_POSITIONAL:
            assert parameter.name in fixed or parameter.name in makers, (
                f"{own} needs an example in FIXED or MADE, or a reason in EXEMPT"
            )
    call = lambda *made: COLLECTED[name](**fixed, **dict(zip(makers, made, strict=True)))
    return call, lambda key: [make(key) for make in makers.values()]


@pytest.mark.parametrize("name", [*OTHERS, *COLLECTED])
def test_it_compiles_once_and_under_vmap_gives_what_each_run_gives(name):
    function, make = example(name)
    arguments = [make(key) for key in random.split(random.key(0), RUNS)]
    stack = lambda trees: jax.tree.map(
        lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *trees
    )
    chex.clear_trace_counter()
    compiled = jax.jit(chex.assert_max_traces(lambda *one: function(*one), n=1))
    each = stack([compiled(*one) for one in arguments])
    together = jax.jit(jax.vmap(function))(*stack(arguments))
    chex.assert_trees_all_close(together, each, rtol=2e-5, atol=2e-6)
    assert any((np.asarray(leaf)[1:] != np.asarray(leaf)[0]).any() for leaf in jax.tree.leaves(each)), (
        "the examples are all alike"
    )


def test_what_is_exempt_is_there():
    for name in EXEMPT:
        module, _, function = name.partition(".")
        assert not function or hasattr(importlib.import_module(f"grokjax.interp.{module}"), function), name
