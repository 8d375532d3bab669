"""The contract of functions of one run: they compile once, and under vmap give what each run gives alone.

The public functions of grokjax.interp and of its packages are collected, and their arguments made by the
parameters' names. A module or a function that is exempt is named with its reason.
"""

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
from grokjax.interp.addition import evaluation_sets
from grokjax.training.optimizer import optimizer

RUNS = 3
RECIPE = gj.Recipe()
TASK = gj.Addition(num_digits=1, batch_size=4)
CONFIG = gj.ModelConfig.of(TASK, d_model=8, num_heads=2)
DEEP = gj.ModelConfig.of(TASK, d_model=8, num_heads=2, num_layers=2, layer_norm=True, unembed_bias=True)
CYCLIC = gj.ModularArithmetic(modulus=5)
SMALL = gj.ModelConfig.of(CYCLIC, d_model=6, num_heads=2, d_mlp=8, activation="gelu")
TINY = gj.ModelConfig.of(TASK, d_model=2, num_heads=1, d_mlp=3)
PREFIX = "grokjax.interp."

GIVES_NAMES = "gives names"
GIVES_A_FUNCTION = "gives functions, or edits, which are functions"
ON_THE_HOST = "is laid out with numpy, before anything is traced"
OF_AN_ESTIMATE = "reads an estimate with numpy, or its draws; what it computes on arrays is not exempt"
TAKES_A_FUNCTION = "takes a function; what makes one of a run is not exempt"
EXEMPT = {
    "hand_wired": "writes weights by hand with numpy",
    "addition.evaluation_sets": ON_THE_HOST,
    "bayes.calibration": OF_AN_ESTIMATE,
    "bayes.chains": "runs samplers of a function; `llc.of`, which runs them of a run, is not exempt",
    "bayes.langevin": GIVES_A_FUNCTION,
    "bayes.masks": "gives masks, which decide on shapes",
    "ablation.units_for": "gives as many units as it takes: a shape that depends on the numbers",
    "ablation.zero": "gives zeros, whatever the run",
    "ablation.constant": GIVES_A_FUNCTION,
    "ablation.resampled": GIVES_A_FUNCTION,
    "activations.names": GIVES_NAMES,
    "activations.stream_names": GIVES_NAMES,
    "activations.visible_tokens": "depends on the tokens alone, in no way on the weights",
    "addition.attention.answer_columns": ON_THE_HOST,
    "addition.attention.operand_columns": ON_THE_HOST,
    "addition.attention.places": ON_THE_HOST,
    "addition.digit_pair.answered": "lists digits of a task",
    "addition.length_generalization.problems": ON_THE_HOST,
    "attention.held": GIVES_A_FUNCTION,
    "attribution.accumulated_labels": GIVES_NAMES,
    "attribution.decompose_labels": GIVES_NAMES,
    "attribution.full_labels": GIVES_NAMES,
    "bayes.estimates.summary": OF_AN_ESTIMATE,
    "bayes.hessian.dense": TAKES_A_FUNCTION,
    "bayes.hessian.gaussian": "is a formula of a spectrum's numbers",
    "bayes.hessian.lanczos": TAKES_A_FUNCTION,
    "bayes.hessian.plain_loss": GIVES_A_FUNCTION,
    "bayes.influence.bayesian_influence": OF_AN_ESTIMATE,
    "bayes.influence.susceptibility": OF_AN_ESTIMATE,
    "bayes.llc.estimate": TAKES_A_FUNCTION,
    "bayes.llc.loss_of": GIVES_A_FUNCTION,
    "circuits.symbols": "depends on the task alone",
    "edges.exist": ON_THE_HOST,
    "edges.receivers": GIVES_NAMES,
    "edges.senders": GIVES_NAMES,
    "fourier.basis": "is a constant of its size",
    "fourier.frequencies": "is a constant of its size",
    "lenses.names": GIVES_NAMES,
    "modular.components.generator_powers": "is a constant of its modulus",
    "modular.circles.classes": GIVES_NAMES,
    "modular.circles.tilt": ON_THE_HOST,
    "modular.components.of_task": "is a constant of the task",
    "modular.grid.every": ON_THE_HOST,
    "modular.grid.training_rows": ON_THE_HOST,
    "similarity.match": "assigns units with scipy; its partners are numbers that jit would have to wait for",
    "steering.added": GIVES_A_FUNCTION,
    "steering.removed": GIVES_A_FUNCTION,
}
"""Modules and functions that need not survive jit, and why."""
MAGNIFIES_ROUNDING = ("lenses.tuned_lens",)
"""Fits to so few examples that what is left out depends on the last bit: compiled as users compile them, they
round under vmap as alone.
"""
AS_USERS_COMPILE_IT = {"xla_cpu_use_fusion_emitters": True}


def made(key, task=TASK, config=CONFIG):
    """A run of any attention rate whose biases are not 0."""
    rate = random.uniform(random.fold_in(key, 1))
    hyper = gj.Hyper(seed=random.randint(key, (), 0, 99), attention_rate=rate)
    noise = lambda leaf: leaf + random.normal(key, leaf.shape) / 9
    params = jax.tree.map(noise, model.init(config, key, hyper))
    return gj.Run(task, config, params, jax.tree.map(jnp.asarray, hyper), RECIPE)


def params(key):
    return made(key).params


def logits(key):
    return 3 * random.normal(key, (4, 2, 10))


def labels(key):
    return random.randint(random.fold_in(key, 1), (4, 2), 0, 10)


def problems(key):
    a, b = random.randint(key, (2, 64, 2), 0, 4)
    return evaluation_sets.Problems(jnp.zeros((64, 0), int), a, b, jnp.full(64, 1 / 64))


def with_tokens(key):
    """Problems that a run can read."""
    a, b = random.randint(key, (2, 16, 1), 0, 10)
    return evaluation_sets.Problems(TASK.encode(a, b).tokens, a, b, jnp.full(16, 1 / 16))


def opt_state(key):
    weights, adam = params(key), optimizer(RECIPE, gj.Hyper())
    return adam.update(jax.tree.map(jnp.sin, weights), adam.init(weights), weights)[1]


def patterns(key):
    return jax.nn.softmax(random.normal(key, (1, 2, 4, 4)) * random.uniform(key))


def normal(*shape):
    return lambda key: random.normal(random.fold_in(key, sum(shape)), shape)


def cache(key):
    return made(key).cache(TASK.batch(key).tokens)


def symbols(key):
    return random.randint(key, TASK.batch(key).tokens.shape, 0, 10)


def partly_right(key):
    """A batch whose first labels are what the run of the same key answers."""
    batch = TASK.batch(key)
    said = made(key).logits(batch.tokens).argmax(-1)
    return batch._replace(labels=(said + (jnp.arange(4)[:, None] >= random.randint(key, (), 0, 5))) % 10)


def mask(key):
    run = made(key)
    return random.uniform(key, (len(interp.edges.receivers(run)), len(interp.edges.senders(run))))


FIXED = {
    "base": 4,
    "circle": 0,
    "count": 2,
    "counts": (20, 5),
    "depth": 2,
    "digit": 1,
    "distance": 1,
    "draws": 19,
    "first": 2,
    "known": interp.modular.components.of_group("C5"),
    "gamma": 1.0,
    "into": "K",
    "layer": 0,
    "limit": 0.0,
    "modulus": 6,
    "name": "blocks.0.mlp.post",
    "num_classes": 3,
    "num_examples": 16,
    "of": "token",
    "positions": (1, 3),
    "score": lambda logits: jnp.sin(logits).sum(),
    "weight": "W_V",
    "addition.digit_pair.digit": 0,
    "addition.predictions.digit": 0,
    "bayes.hessian.num_probes": 2,
    "bayes.hessian.num_steps": 3,
    "bayes.llc.of.fields": dict(epsilon=1e-3, gamma=1.0, num_chains=2, num_draws=2, num_burn_in=1),
    "permutation.statistics": lambda rows: (rows**3).sum(0)[:2] * rows[0, :2],
}
"""Arguments that are the same for every run, by the parameter's name, or by PACKAGE.MODULE.FUNCTION.NAME or a
beginning of it where a function means another."""
MADE = {
    "activation": normal(16, 6),
    "after": lambda key: patterns(random.fold_in(key, 1)),
    "against": lambda key: jnp.moveaxis(objective.against(logits(key), labels(key)), (0, 1), (2, 1)),
    "along": normal(6),
    "answers": lambda key: problems(key).a[:, 0],
    "batch": TASK.batch,
    "before": patterns,
    "cache": cache,
    "change": normal(10, 10, 32),
    "classes": lambda key: random.randint(key, (16,), 0, 3),
    "control": lambda key: interp.probes.Score(*normal(5)(key)[:4]),
    "correct": symbols,
    "damage": normal(32),
    "deviations": normal(19, 3),
    "edited": lambda key: 5 * normal(16, 8)(key),
    "frames": normal(5, 6, 2),
    "incorrect": lambda key: symbols(random.fold_in(key, 1)),
    "joint": lambda key: jax.nn.softmax(random.normal(key, (4, 4, 4)), axis=(0, 1, 2)),
    "key": lambda key: key,
    "log_probs": lambda key: jax.nn.log_softmax(random.normal(key, (64, 4))),
    "masks": lambda key: random.bernoulli(key, 0.5, (2, 32)),
    "matrix": normal(6, 3),
    "ok": lambda key: jnp.array([True, True, False]),
    "opt_state": opt_state,
    "other": normal(6, 2),
    "others": lambda key: TASK.batch(random.fold_in(key, 2)).tokens,
    "own_token": lambda key: random.bernoulli(key, 0.5, (2,)),
    "params": params,
    "parts": lambda key: interp.attribution.full_decomposition(made(key), cache(key)),
    "pattern": patterns,
    "probe": lambda key: interp.probes.Probe(normal(6, 3)(key), normal(3)(key)),
    "problems": problems,
    "prompt": lambda key: TASK.batch(key).tokens[0],
    "rows": normal(6, 4),
    "run": made,
    "source": lambda key: TASK.batch(random.fold_in(key, 1)).tokens,
    "step": normal(6),
    "stream": normal(4, 2, 8),
    "table": normal(4, 4, 3),
    "targets": lambda key: jax.nn.softmax(random.normal(key, (16, 3))),
    "tokens": lambda key: TASK.batch(key).tokens,
    "trace": normal(3, 8),
    "train": lambda key: random.bernoulli(key, 0.4, (25,)).at[:2].set(jnp.array([True, False])),
    "weights": lambda key: random.uniform(key, (16,)),
    "ablation.groups.classes": lambda key: random.randint(key, (9,), 0, 2),
    "ablation.mean.x": lambda key: random.normal(key, (4, 2)),
    "addition.answer_distribution.total_variation.first": logits,
    "addition.answer_distribution.total_variation.second": lambda key: logits(random.fold_in(key, 1)),
    "addition.carry_edits.problems": with_tokens,
    "addition.digit_pair.loss_with.problems": with_tokens,
    "addition.digit_pair.tables.problems": with_tokens,
    "addition.length_generalization.exact_match.batch": partly_right,
    "attention.patterns_by_class.classes": lambda key: random.randint(key, (4,), 0, 3),
    "attribution.bias_logits.run": lambda key: made(key, TASK, DEEP),
    "bayes.influence.first": normal(3, 8, 2),
    "bayes.influence.second": normal(3, 8, 4),
    "bayes.run": lambda key: made(key, TASK, TINY),
    "composition.run": lambda key: made(key, TASK, DEEP),
    "confusion.weights": lambda key: random.uniform(key, (64,)),
    "directions.alike.classes": lambda key: random.randint(key, (16,), 0, 2),
    "directions.alike.other": normal(16, 6),
    "edges.mask": mask,
    "folding.run": lambda key: made(key, TASK, DEEP),
    "fourier.gini.values": lambda key: random.uniform(key, (7,)),
    "fourier.weight": normal(6, 3),
    "last_block.log_odds_without.change": normal(2, 4),
    "last_block.log_odds_without.labels": lambda key: labels(key).T,
    "last_block.log_odds_without.writes": normal(2, 10),
    "lenses.stream": normal(2, 2, 4, 8),
    "modular.components.of_logits.labels": lambda key: jnp.asarray(CYCLIC.table().labels[:, 0]),
    "modular.components.of_logits.logits": normal(25, 5),
    "modular.run": lambda key: made(key, CYCLIC, SMALL),
    "number_line.left_out_r2.targets": normal(6, 2),
    "optimizer_statistics.after": lambda key: params(random.fold_in(key, 1)),
    "optimizer_statistics.before": params,
    "patching.effect.clean": random.uniform,
    "patching.effect.corrupted": lambda key: 2 + random.uniform(key),
    "patching.effect.patched": normal(3),
    "patching.path_ablation.kept": lambda key: random.bernoulli(key, 0.5, (2, 5)),
    "pca.orbits.weights": normal(3, 6, 5),
    "pca.weight": normal(6, 5),
    "probes.selectivity.score": lambda key: interp.probes.Score(*normal(4)(key)),
    "similarity.other": normal(16, 5),
    "similarity.procrustes.other": normal(16, 6),
}
"""Functions of a key that make the arguments in which runs differ, named alike."""
OTHERS = {
    "objective.cross_entropy": (objective.cross_entropy, lambda key: (logits(key), labels(key))),
    "objective.against": (objective.against, lambda key: (logits(key), labels(key))),
    "model.init": (
        lambda seed: model.init(CONFIG, keys.stream(seed, "init"), gj.Hyper()),
        lambda key: (random.randint(key, (), 0, 99),),
    ),
    "Run.logits": (gj.Run.logits, lambda key: (made(key), TASK.batch(key).tokens)),
    "Run.run_with_cache": (gj.Run.run_with_cache, lambda key: (made(key), TASK.batch(key).tokens)),
    "Run.scores": (gj.Run.scores, lambda key: (made(key), TASK.batch(key))),
    "Run.loss": (gj.Run.loss, lambda key: (made(key), TASK.batch(key))),
    "objective.mean_loss": (
        lambda run, batch: objective.mean_loss(CONFIG, TASK, RECIPE, run.params, run.hyper, batch),
        lambda key: (made(key), TASK.batch(key)),
    ),
    "tasks.batch": (TASK.batch, lambda key: (key,)),
    "tasks.decode": (
        lambda run, batch: gj.tasks.decode(lambda tokens: run.forward(tokens, read=TASK.read), TASK, batch),
        lambda key: (made(key), TASK.batch(key)),
    ),
}
"""Functions outside interp that are written for one run: (function, key -> arguments)."""


def modules():
    """The modules of interp and of its packages, by their names below it."""
    return [info.name.removeprefix(PREFIX) for info in pkgutil.walk_packages(interp.__path__, PREFIX)]


def functions(name):
    """The public functions that a module defines."""
    module = importlib.import_module(PREFIX + name)
    own = lambda thing: inspect.isfunction(thing) and thing.__module__ == module.__name__
    return {found: thing for found, thing in inspect.getmembers(module, own) if not found.startswith("_")}


EVERY = {f"{name}.{found}": thing for name in modules() for found, thing in functions(name).items()}
"""The public functions of interp by MODULE.FUNCTION, or PACKAGE.MODULE.FUNCTION."""
COLLECTED = {
    name: found for name, found in EVERY.items() if not {name, name.rpartition(".")[0]} & set(EXEMPT)
}


def beginnings(name, parameter):
    """Where an argument is looked up, the most specific first."""
    parts = name.split(".")
    return [".".join([*parts[:size], parameter]) for size in range(len(parts), -1, -1)]


def example(name):
    """(function, key -> arguments): what is fixed is bound, what differs between runs is made."""
    if name in OTHERS:
        return OTHERS[name]
    makers, fixed = {}, {}
    for parameter in inspect.signature(COLLECTED[name]).parameters.values():
        where = beginnings(name, parameter.name)
        place = next((place for place in where if place in FIXED or place in MADE), None)
        if place in MADE:
            makers[parameter.name] = MADE[place]
        elif place is not None:
            found = FIXED[place]
            fixed |= found if parameter.kind is parameter.VAR_KEYWORD else {parameter.name: found}
        elif parameter.default is parameter.empty:
            pytest.fail(f"{where[0]} needs an example in FIXED or MADE, or a reason in EXEMPT")
    call = lambda *made: COLLECTED[name](**fixed, **dict(zip(makers, made, strict=True)))
    return call, lambda key: [make(key) for make in makers.values()]


@pytest.mark.parametrize("name", [*OTHERS, *COLLECTED])
def test_it_compiles_once_and_under_vmap_gives_what_each_run_gives(name):
    function, make = example(name)
    options = AS_USERS_COMPILE_IT if name in MAGNIFIES_ROUNDING else None
    arguments = [make(key) for key in random.split(random.key(0), RUNS)]
    stack = lambda trees: jax.tree.map(lambda *leaves: jnp.stack([*map(jnp.asarray, leaves)]), *trees)
    chex.clear_trace_counter()
    compiled = jax.jit(chex.assert_max_traces(lambda *one: function(*one), n=1), compiler_options=options)
    each = stack([compiled(*one) for one in arguments])
    together = jax.jit(jax.vmap(function), compiler_options=options)(*stack(arguments))
    chex.assert_trees_all_close(together, each, rtol=2e-5, atol=2e-6)
    differ = [(np.asarray(leaf)[1:] != np.asarray(leaf)[0]).any() for leaf in jax.tree.leaves(each)]
    assert any(differ), "the examples are all alike"


def test_what_is_exempt_is_there():
    assert not set(EXEMPT) - set(EVERY) - set(modules())
