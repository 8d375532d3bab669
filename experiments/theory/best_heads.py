"""What the best content-dependent heads can do, for `no_mlp`."""

import math

from experiments.frame.measured import Measured, exact, mean
from experiments.frame.result import Result
from experiments.frame.study import Study
from experiments.theory.frozen_and_live import Final
from experiments.theory.joint_laws import noisy_sum
from grokjax.theory import heads

NOISY_SUM = 0.45


def reached(symbols: int, starts: int) -> dict[int, float]:
    """The least loss found on a noisy sum, by the number of heads."""
    mixed = noisy_sum(NOISY_SUM, symbols)
    return {count: heads.least(mixed, count, starts=starts)[0] for count in (1, 2, 4)}


def on_exclusive_or() -> dict[int, float]:
    """The least loss found on XOR with one head, and that of two heads that are set by hand."""
    xor = noisy_sum(0.0, 2)
    return {
        1: heads.least(xor, 1, starts=10)[0],
        2: heads.loss(heads.exclusive_or(40.0, 20.0), xor),
    }


def on_heads(
    reach: dict[int, float], xor: dict[int, float], by_heads: dict[int, Final], this: Study
) -> list[Result]:
    """What content-dependent heads can do, and what trained ones do."""
    return [two_on_xor(xor), on_noisy_sum(reach, by_heads, this)]


def two_on_xor(xor: dict[int, float]) -> Result:
    """004-04."""
    return Result(
        "004-04",
        "Only for a fixed α: attention that sees the content brings XOR from ln 2 to {one} with one "
        "head, {two} with two.",
        dict(
            one=exact("least loss found on XOR, one head (proven: at least ½ ln 2)", xor[1]),
            two=exact("loss on XOR, two heads by hand", abs(xor[2])),
        ),
        "Refuted if one head goes more than .09 nats below the additive bound ln 2 and two reach .01 nats.",
        "refuted" if xor[1] < 0.6 and xor[2] < 0.01 else "confirmed",
        ["It holds for a fixed α, 004-02."],
    )


def on_noisy_sum(reach: dict[int, float], by_heads: dict[int, Final], this: Study) -> Result:
    """004-14."""
    level = -sum(c * math.log(c) for c in (NOISY_SUM, 1 - NOISY_SUM))
    return Result(
        "004-14",
        "Heads found by search, whose attention sees the tokens, reach {two} with two heads and {four} "
        "with four.",
        {
            key: Measured(
                f"least loss found, {count} head{'s' * (count > 1)}",
                reach[count],
                unit="nats",
                n=this["starts"],
                of="starts, an upper bound",
            )
            for key, count in (("one", 1), ("two", 2), ("four", 4))
        }
        | dict(level=exact("entropy of the carry, the level asked for", level))
        | {
            f"trained_{heads}": mean(
                f"trained live runs, digit {one.digit}, {heads} head{'s' * (heads > 1)}", one.live, "nats"
            )
            for heads, one in by_heads.items()
        },
        "Confirmed if some number of heads comes within .02 nats of the level; what search finds is an "
        "upper bound.",
        "confirmed"
        if min(reach.values()) < level + 0.02
        else "open: the search found no such heads; more starts would tell",
        [
            f"The least of {this['starts']} starts of L-BFGS on x + y or x + y + 1 mod "
            f"{this['symbols']}: upper "
            "bounds; fewer heads may reach lower."
        ],
    )
