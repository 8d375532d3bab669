"""Splits of finite tables: exactly Python's shuffle, as the released runs drew them."""

import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokjax import tasks


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 400), st.floats(0.01, 1), st.integers(0, 2**31 - 1))
def test_the_split_is_pythons_shuffle(num_examples, fraction, seed):
    if int(fraction * num_examples) == 0:
        return
    pairs = list(range(num_examples))
    random.seed(seed)
    random.shuffle(pairs)
    train, test = tasks.split(num_examples, fraction, seed)
    assert train.tolist() + test.tolist() == pairs and len(train) == int(fraction * num_examples)


def test_everything_may_be_trained_on():
    train, test = tasks.split(20, 1, 3)
    assert sorted(train) == list(range(20)) and test.shape == (0,)


@pytest.mark.parametrize("fraction", [1.5, 0, -0.1, float("nan"), 0.01])
def test_bad_fractions_are_refused(fraction):
    with pytest.raises(ValueError, match=f"train_fraction={fraction} "):
        tasks.split(20, fraction, 0)


def test_the_split_of_the_released_run(reference):
    is_train = np.load(reference / "modadd_init_seed1.npz")["grid.is_train"]
    train, test = tasks.split(len(tasks.ModularArithmetic().table().tokens), 0.3, 1)
    assert (np.flatnonzero(is_train) == np.sort(train)).all() and not is_train[test].any()


def test_the_split_of_the_released_group_models(reference):
    arrays = np.load(reference / "reptheory_S5_T_seed1.npz")
    train, test = tasks.torch_split(120**2, 0.6, 1)
    assert (np.flatnonzero(arrays["grid.is_train"]) == np.sort(train)).all()
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(120**2))


def test_a_share_of_the_labels_is_redrawn_once_and_wrong():
    labels = jnp.asarray(tasks.ModularArithmetic(23).table().labels)
    noisy = jax.vmap(lambda key, share: tasks.noisy_labels(key, labels, share, 23), (0, 0))
    keys, shares = jax.random.split(jax.random.key(0), 3), jnp.array([0.0, 0.1, 0.1])
    found = noisy(keys, shares)
    wrong = (found != labels)[..., 0]
    assert wrong.sum(1).tolist() == [0, 53, 53] and (wrong[1] != wrong[2]).any()
    assert (found >= 0).all() and (found < 23).all()
    assert (noisy(keys, shares) == found).all()
    alone = tasks.noisy_labels(keys[1], labels, 0.1, 23)
    assert (alone == found[1]).all()
