"""The machine's matrix-product rate: what the arithmetic of training is held against."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from experiments.benchmarks.measuring import seconds

SIZE = 2048
ALL_THREADS = {"xla_cpu_multi_thread_eigen": True}
"""For what runs on one CPU device alone: it may use every core, as it would in a process that has one device.
"""


def compiled(function: Any, *shapes: Any) -> Any:
    """A jitted function compiled for the first device, which on a CPU may use all cores."""
    options = ALL_THREADS if jax.default_backend() == "cpu" else None
    with jax.default_matmul_precision("float32"):
        return function.lower(*shapes).compile(compiler_options=options)


def contestant() -> Callable[[], float]:
    """GFLOP/s of the best way to multiply large float32 matrices on all cores: one product on all threads, or
    one on every device.
    """
    x = jnp.ones((SIZE, SIZE))
    squared = jax.jit(lambda x: x @ x)
    shared, each = compiled(squared, x), [jax.device_put(x, device) for device in jax.local_devices()]
    with jax.default_matmul_precision("float32"):
        jax.block_until_ready([squared(own) for own in each])
    flops = 2 * SIZE**3 / 1e9

    def rate(products: int, multiply: Callable[[], Any]) -> float:
        return products * flops / seconds(lambda: jax.block_until_ready(multiply()))

    def best() -> float:
        with jax.default_matmul_precision("float32"):
            return max(rate(1, lambda: shared(x)), rate(len(each), lambda: [squared(own) for own in each]))

    return best
