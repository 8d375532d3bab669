"""The promise of bits over a drawn sample of all configs, tasks, recipes and blocks.

A run has the bits that it has alone: among three and five runs, in another order, on one device of two, and
resumed. GROKJAX_BITS=N draws N settings instead of the few of CI:

    GROKJAX_BITS=60 python -m pytest -n 0 tests/training/test_bits.py
"""

import dataclasses
import os

import jax
import numpy as np
import pytest

import grokjax as gj
from grokjax import config
from grokjax.trees import named_leaves

NUM_DRAWN = int(os.environ.get("GROKJAX_BITS", 3))
STEPS, EPOCH_STEPS = 24, 12
TASKS = (
    gj.Addition(num_digits=2, batch_size=32),
    gj.Addition(num_digits=2, batch_size=24, order="lsb"),
    gj.Addition(num_digits=2, mode="single", digit=1, batch_size=32),
    gj.Addition(num_digits=2, mode="parallel", batch_size=32),
    gj.DigitwiseAddition(num_digits=2, batch_size=32),
    gj.ModularArithmetic(modulus=7),
    gj.ModularArithmetic(modulus=11, batch_size=16),
)


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is trained."""

    task: object
    config: gj.ModelConfig
    recipe: gj.Recipe
    block: int

    def __str__(self):
        differs = lambda thing: {
            field.name: value
            for field in dataclasses.fields(thing)
            if (value := getattr(thing, field.name)) != field.default
        }
        model = {name: x for name, x in differs(self.config).items() if name not in config.SIZES}
        task = f"{type(self.task).__name__} {differs(self.task)}"
        return f"{task} {model} {differs(self.recipe)} block {self.block}"


def drawn(seed):
    """A setting, from everything that is static."""
    rng = np.random.default_rng(seed)
    pick = lambda *values: values[rng.integers(len(values))]
    task = pick(*TASKS)
    has_digits = hasattr(task, "num_digits") and getattr(task, "mode", "sequence") != "parallel"
    model = gj.ModelConfig.of(
        task,
        d_model=pick(8, 16, 24),
        num_heads=pick(1, 2, 4),
        num_layers=pick(1, 1, 1, 2),
        mlp=pick(True, True, False),
        activation=pick(*config.ACTIVATIONS),
        attention=pick("live", *config.ATTENTIONS),
        mask=pick(*config.MASKS),
        layer_norm=pick(True, False),
        unembed_bias=pick(True, False),
        positions=pick(*(name for name in config.POSITIONS if name != "abacus" or has_digits)),
        init=pick(*config.DISTRIBUTIONS),
    )
    recipe = gj.Recipe(
        optimizer=pick("adamw", *config.OPTIMIZERS),
        schedule=pick(*config.SCHEDULES),
        evaluate_every=8,
        evaluation_size=32,
    )
    return Setting(task, model, recipe, pick(1, 2, 4))


FOUND_TO_DIFFER = (
    Setting(
        TASKS[0],
        gj.ModelConfig.of(TASKS[0], d_model=16, num_heads=2, layer_norm=True, positions="rope"),
        gj.Recipe(evaluate_every=8, evaluation_size=32),
        1,
    ),
    Setting(
        TASKS[3],
        gj.ModelConfig.of(TASKS[3], d_model=16, num_heads=2, attention="uniform"),
        gj.Recipe(evaluate_every=8, evaluation_size=32),
        1,
    ),
    Setting(
        TASKS[5],
        gj.ModelConfig.of(TASKS[5], d_model=16, num_heads=2),
        gj.Recipe(evaluate_every=8),
        2,
    ),
)
"""Those whose program over two devices had other bits than that over one."""


def bits(epoch, run):
    """Everything that a run is, and what was measured of it in its last epoch."""
    state = {name: np.asarray(leaf)[run] for name, leaf in named_leaves(epoch.on_host()).items()}
    return state | {name: values[run] for name, values in epoch.metrics.items() if name != "test_step"}


@pytest.mark.parametrize("setting", (*FOUND_TO_DIFFER, *map(drawn, range(NUM_DRAWN))), ids=str)
def test_a_run_has_the_bits_that_it_has_alone(setting):
    def epochs(*seeds, devices=None, resume_from=None):
        return list(
            gj.train(
                setting.task,
                setting.config,
                setting.recipe,
                gj.grid(gj.Hyper(train_fraction=0.6, decay_steps=100), seed=seeds),
                steps=STEPS,
                epoch_steps=EPOCH_STEPS,
                block=setting.block,
                devices=devices,
                resume_from=resume_from,
            )
        )

    alone, one_device = bits(epochs(3)[-1], 0), jax.devices()[-1:]
    among = epochs(3, 1, 4, 0, 2)
    found = {
        "among 3": bits(epochs(5, 4, 3)[-1], 2),
        "among 5": bits(among[-1], 0),
        "permuted": bits(epochs(0, 2, 3, 1, 4)[-1], 2),
        "on one device": bits(epochs(1, 3, 2, devices=one_device)[-1], 1),
        "resumed": bits(epochs(3, 1, 4, 0, 2, devices=one_device, resume_from=among[1])[-1], 0),
    }
    for company, other in found.items():
        differ = [name for name, x in alone.items() if not np.array_equal(x, other[name], equal_nan=True)]
        assert not differ, (company, differ)
