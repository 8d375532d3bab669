"""What additive logits can know: answers of `additive_bounds`."""

import math

import numpy as np

from experiments.frame.measured import exact
from experiments.frame.result import Result
from experiments.theory.joint_laws import CARRY, FLAT, SAME, UNEVEN, Case, of_sum
from grokjax.theory import experts


def on_sums(found: dict[str, Case]) -> list[Result]:
    """Whether additive logits beat the single tokens."""
    off = max(abs(found[name].additive.loss - math.log(found[name].joint.shape[-1])) for name in FLAT)
    uneven, carry = found[UNEVEN], found[CARRY]
    return [
        in_general(uneven, off),
        of_flat_tokens(off),
        of_noisy_sums(),
        beside_weighted_products(uneven, carry),
        beside_the_product(carry),
    ]


KNOWS_NOTHING = f"Optimum within {SAME:g} nats of ln b in every law: confirmed; else refuted."


def in_general(uneven: Case, off: float) -> Result:
    """004-01."""
    beaten = uneven.additive.loss < uneven.single - SAME
    return Result(
        "004-01",
        "In general they can: additive logits reach {additive} where the best single token reaches "
        "{single}; "
        "where the outcome is flat given each token they cannot.",
        dict(
            additive=exact(
                "additive optimum, sum mod 3 of digits with chances .5, .3, .2", uneven.additive.loss
            ),
            single=exact("best single token, the same law", uneven.single),
            off=exact("largest |additive optimum − ln b|, flat laws", off),
        ),
        f"Refuted if the optimum of any law is more than {SAME:g} nats below its best single token.",
        "refuted" if beaten else "confirmed",
        ["The note's own condition, a flat outcome, is 004-02."],
    )


def of_flat_tokens(off: float) -> Result:
    """004-02."""
    return Result(
        "004-02",
        "Yes: with sums of two or three flat tokens the best additive logits know nothing, to {off}.",
        dict(off=exact("largest |additive optimum − ln b|, b = 2, 5, 10", off)),
        KNOWS_NOTHING,
        "confirmed" if off < SAME else "refuted",
        ["Proven for any number of flat independent tokens in grokjax.theory.experts."],
    )


def of_noisy_sums() -> Result:
    """004-13."""
    noisy = max(
        abs(experts.additive(of_sum(np.full(b, 1 / b), np.full(b, 1 / b), q)).loss - math.log(b))
        for b in (2, 3, 5, 10)
        for q in (0.1, 0.3, 0.45, 0.5, 0.9)
    )
    return Result(
        "004-13",
        "Still nothing is known, however noisy the sum is, to {noisy}.",
        dict(noisy=exact("largest |additive optimum − ln b|, noise .1 to .9, b = 2 to 10", noisy)),
        KNOWS_NOTHING,
        "confirmed" if noisy < SAME else "refuted",
    )


def beside_weighted_products(uneven: Case, carry: Case) -> Result:
    """001-50."""
    return Result(
        "001-50",
        "Additive logits do beat it: carry of one pair {additive}, best weighted product of the single "
        "odds {powers}.",
        dict(
            additive=exact("additive optimum, carry of one pair", carry.additive.loss),
            powers=exact("best w·ln P(c|a) + v·ln P(c|b), carry of one pair", carry.powers),
            additive_3=exact("additive optimum, uneven sum mod 3", uneven.additive.loss),
            powers_3=exact("best weighted product, uneven sum mod 3", uneven.powers),
            single=exact("best single token, carry of one pair", carry.single),
        ),
        "Refuted if additive logits lie more than 1e-5 nats below the best weighted product in either law.",
        "refuted" if max(x.powers - x.additive.loss for x in (uneven, carry)) > 1e-5 else "confirmed",
        ["Where the outcome is flat given each token all of these are ln b, 004-02."],
    )


def beside_the_product(carry: Case) -> Result:
    """001-51."""
    return Result(
        "001-51",
        "Additive logits go below the straightforward product: {additive} against {product}, carry of "
        "one pair.",
        dict(
            additive=exact("additive optimum, carry of one pair", carry.additive.loss),
            dual=exact("its dual bound", carry.additive.dual),
            product=exact("product of the single odds", carry.product),
        ),
        f"Refuted if the optimum lies more than {SAME:g} nats below the product.",
        "refuted" if carry.additive.loss < carry.product - SAME else "confirmed",
    )
