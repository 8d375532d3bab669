"""Joint laws of tokens and an outcome, and what predictors of the outcome lose under them."""

from typing import Any, NamedTuple

import numpy as np
from scipy.special import entr

from grokjax.theory import experts

NOISY, THREE, UNEVEN, CARRY = (
    "sum mod 10,\ncarry .45",
    "three tokens,\nmod 5",
    "mod 3,\nuneven",
    "carry of\none pair",
)
FLAT = ("XOR", "sum mod 10", NOISY, THREE)
SAME = 1e-9
"""Nats below which two losses are one."""


class Case(NamedTuple):
    """A joint law P(tokens, outcome), and the losses (nats) of five predictors of the outcome."""

    joint: np.ndarray
    additive: experts.Bound
    single: float
    product: float
    powers: float
    knowing_all: float


def case(joint: np.ndarray) -> Case:
    """The case of a law."""
    knowing_all = float((entr(joint).sum(-1) - entr(joint.sum(-1))).sum())
    return Case(
        joint,
        experts.additive(joint),
        min(experts.single(joint)),
        experts.product(joint),
        experts.powers(joint).loss,
        knowing_all,
    )


def of_sum(first: Any, second: Any, noise: float = 0.0) -> np.ndarray:
    """P(x, y, z): z is x + y, or with chance `noise` x + y + 1, both mod b."""
    return np.multiply.outer(np.asarray(first), np.asarray(second))[..., None] * given_pair(noise, len(first))


def noisy_sum(noise: float, base: int) -> np.ndarray:
    """The same of uniform digits."""
    # divided once, not twice: a rounding of the last place sends a search for heads another way
    return given_pair(noise, base) / base**2


def given_pair(noise: float, base: int) -> np.ndarray:
    """P(z | x, y): z is x + y, or with chance `noise` x + y + 1, both mod b."""
    x, y = np.indices((base, base))
    return np.eye(base)[(x + y) % base] * (1 - noise) + np.eye(base)[(x + y + 1) % base] * noise


def of_carry(base: int) -> np.ndarray:
    """P(x, y, carry) of two uniform digits."""
    x, y = np.indices((base, base))
    return np.eye(2)[(x + y >= base).astype(int)] / base**2


def of_three(base: int) -> np.ndarray:
    """P(x, y, w, z): z = x + y + w mod b, three uniform tokens."""
    return np.eye(base)[np.indices((base,) * 3).sum(0) % base] / base**3


def cases() -> dict[str, Case]:
    """The laws that the notes speak of, by name."""
    flat = lambda size: np.full(size, 1 / size)
    laws = {
        "XOR": of_sum(flat(2), flat(2)),
        "sum mod 10": of_sum(flat(10), flat(10)),
        NOISY: of_sum(flat(10), flat(10), 0.45),
        THREE: of_three(5),
        UNEVEN: of_sum((0.5, 0.3, 0.2), (0.5, 0.3, 0.2)),
        CARRY: of_carry(10),
    }
    return {name: case(joint) for name, joint in laws.items()}


def random_laws(count: int) -> list[experts.Bound]:
    """The bounds of random laws of two or three tokens, every second one with empty cells."""
    random = np.random.default_rng(0)
    draws = [
        random.random((4, 3, 2, 5)[k % 3 // 2 :])
        * (random.random((4, 3, 2, 5)[k % 3 // 2 :]) < (1, 0.5)[k % 2])
        for k in range(count)
    ]
    return [experts.additive(joint / joint.sum()) for joint in draws]


def numbers(x: Case) -> dict[str, float]:
    """The losses of a case."""
    return {
        "additive": x.additive.loss,
        "gap": x.additive.gap,
        **{name: getattr(x, name) for name in x._fields[2:]},
    }
