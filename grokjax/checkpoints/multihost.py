"""What several processes of one sweep agree on; with one process every function here is trivial."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils


def several() -> bool:
    """Returns whether more than one process writes this sweep."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Returns whether this process is the one that writes config, metrics and the lock."""
    return jax.process_index() == 0


def gather(values: np.ndarray) -> np.ndarray:
    """Returns the arrays of all processes, stacked: [processes, ...]."""
    return np.asarray(multihost_utils.process_allgather(values)) if several() else np.asarray(values)[None]


def first_says(number: int) -> int:
    """Returns the first process's number, in every process."""
    return int(gather(np.asarray(number))[0])


def all_say(flag: bool) -> bool:
    """Returns whether the flag holds in every process."""
    return bool(gather(np.asarray(flag)).all())


def on_first(action: Callable[[], Any]) -> Any:
    """Returns the action's result in the first process, None in the others once it is done.

    If it fails, every process raises.
    """
    result, error = None, None
    if is_first():
        try:
            result = action()
        except Exception as caught:
            error = caught
    if all_say(error is None):
        return result
    raise error or ValueError("the first process could not open the sweep: its message says why")


def to_host(x: Any) -> np.ndarray:
    """Returns the whole array as numpy, also where its parts lie with other processes."""
    if isinstance(x, jax.Array) and not x.is_fully_addressable:
        return np.asarray(multihost_utils.process_allgather(x, tiled=True))
    return np.asarray(x)
