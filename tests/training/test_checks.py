"""What training refuses before anything is compiled, and in which words."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import grokjax as gj

TASK = gj.Addition(num_digits=1, base=4, batch_size=8)
CONFIG = gj.ModelConfig.of(TASK, d_model=8, num_heads=2)
HYPERS = gj.grid(gj.Hyper(), seed=[0, 1])


def refused(words, *, task=TASK, config=CONFIG, recipe=None, hypers=HYPERS):
    with pytest.raises(ValueError, match=words) as caught:
        gj.train(task, config, recipe or gj.Recipe(), hypers, steps=5)
    assert "\n" not in str(caught.value)


def test_a_config_that_does_not_fit_the_task():
    refused("vocabulary=12.*vocabulary=6", config=gj.ModelConfig(d_model=8, num_heads=2))


def test_one_run_where_a_sweep_is_wanted():
    refused("this is one run, not a sweep", hypers=gj.Hyper())
    refused("must be a Hyper with leaves", hypers={"seed": [0]})
    refused(
        r"hypers.learning_rate has shape \(\), but hypers.seed has \(2,\)", hypers=gj.Hyper(seed=np.arange(2))
    )


@pytest.mark.parametrize(
    "field, value, words",
    (("learning_rate", np.nan, "learning_rate=nan"), ("b1", 1.0, "b1=1.0"), ("seed", -1, "seed=-1")),
)
def test_a_value_out_of_range(field, value, words):
    refused(words, hypers=HYPERS.replace(**{field: np.array([getattr(HYPERS, field)[0], value])}))


def named(hyper):
    return "adam"


@pytest.mark.parametrize(
    "optimizer", (optax.lion, named, lambda: optax.sgd(0.1)), ids=("lion", "a name", "none")
)
def test_an_optimiser_that_is_no_function_of_a_hyper(optimizer):
    refused("Recipe.optimizer=.* fails when it is called with a Hyper", recipe=gj.Recipe(optimizer=optimizer))


def test_an_optimiser_that_is_none_at_all():
    with pytest.raises(ValueError, match=r"optimizer=.*a function .*hyper"):
        gj.Recipe(optimizer=optax.lion(1e-3))


def total(logits, labels):
    return (logits.max(-1) - labels).sum()


def test_a_loss_that_is_no_number_for_each_answer():
    refused(r"Recipe.loss=total gives \[\] for logits \[2, 3, 5\]", recipe=gj.Recipe(loss=total))
    refused("Recipe.loss=fsum fails", recipe=gj.Recipe(loss=__import__("math").fsum))


def test_what_fits_is_checked_into_one_type():
    hypers = gj.training.check(TASK, CONFIG, gj.Recipe(), HYPERS.replace(b1=np.full(2, 0.5)))
    assert (hypers.b1.dtype, hypers.seed.dtype) == (jnp.float32, jnp.int32)
    own = gj.Recipe(
        optimizer=lambda hyper: optax.lion(hyper.learning_rate),
        loss=optax.losses.softmax_cross_entropy_with_integer_labels,
    )
    gj.training.check(TASK, CONFIG, own, HYPERS)
