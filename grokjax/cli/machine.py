"""What the command sets up before JAX starts: devices, the cache of programs, fewer garbage collections."""

import gc

from grokjax.training import machine


def set_up() -> None:
    """`training.machine.set_up`, and Python's garbage. Call it before anything is computed."""
    machine.set_up()
    # Tracing makes a million objects, few of them garbage: looking for it after every 700 took a tenth of the
    # start.
    gc.set_threshold(50_000)
