"""Content-dependent attention on XOR: ½ ln 2 with one head, 0 with two."""

import numpy as np
import pytest
from scipy.optimize import check_grad

from grokjax.theory import heads

XOR = np.zeros((2, 2, 2))
XOR[[0, 1, 0, 1], [0, 1, 1, 0], [0, 0, 1, 1]] = 0.25


def test_one_head_reaches_half_of_ln_2_and_no_less():
    best, _ = heads.least(XOR, 1, starts=10)
    assert 0.5 * np.log(2) <= best < 0.5 * np.log(2) + 1e-4


def test_no_single_head_beats_the_proposition():
    """Random heads, among them sharp and large ones."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        sharp, large = 10 ** rng.uniform(-1, 2, 2)
        head = heads.Heads(
            *(sharp * rng.normal(size=(1, 2)) for _ in range(2)),
            *(large * rng.normal(size=(1, 2, 2)) for _ in range(2)),
            large * rng.normal(size=(1, 2)),
            large * rng.normal(size=2),
        )
        assert heads.loss(head, XOR) >= 0.5 * np.log(2)


def test_two_heads_reach_zero_by_construction():
    built = heads.exclusive_or(20.0, 10.0)
    assert heads.loss(built, XOR) < 3e-8
    odds = np.diff(heads.logits(built))[..., 0]
    assert odds == pytest.approx(20 * np.array([[-1, 1], [1, -1]]), abs=1e-3)
    assert heads.loss(heads.exclusive_or(40.0, 20.0), XOR) < heads.loss(built, XOR) ** 1.5


def test_two_heads_reach_zero_by_search():
    assert heads.least(XOR, 2, starts=4)[0] < 1e-3


def test_gradient():
    rng = np.random.default_rng(1)
    joint = rng.random((3, 2, 4))
    joint /= joint.sum()
    shapes = heads._shapes(joint.shape, 2)
    point = rng.normal(size=sum(int(np.prod(shape)) for shape in shapes))
    parts = [lambda flat, i=i: heads._loss_and_gradient(flat, joint, shapes)[i] for i in (0, 1)]
    assert check_grad(*parts, point) < 1e-5
