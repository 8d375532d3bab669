"""One named PRNG stream per purpose, all from a run's seed: what one purpose draws never shifts what another
draws.
"""

import jax
from jax import random

STREAMS = ("init", "batch", "noise", "evaluation", "labels")


def stream(seed: jax.Array | int, purpose: str) -> jax.Array:
    """The typed key of a purpose, one of STREAMS."""
    return random.fold_in(random.key(seed), STREAMS.index(purpose))


def at_step(seed: jax.Array | int, purpose: str, step: jax.Array | int) -> jax.Array:
    """The key of a purpose at one optimiser step."""
    return random.fold_in(stream(seed, purpose), step)
