"""Several processes that train one sweep: how they find each other."""

from collections.abc import Mapping
from typing import Any

import jax

from grokjax.cli import values
from grokjax.cli.values import UsageError

ADDRESS = ("coordinator", "num_processes", "process_id")


def join(given: Mapping[str, Any]) -> None:
    """Join the other processes, where --distributed (SLURM and the clouds are detected by JAX) or
    --coordinator asks for it.

    Before anything is computed. UsageError where the three flags of an address are not all there, or nothing
    is detected.
    """
    named = [flag for flag in ADDRESS if flag in given]
    if not named and not given.get("distributed"):
        return
    if named and len(named) < len(ADDRESS):
        missing = next(flag for flag in ADDRESS if flag not in given)
        raise UsageError(
            f"--{named[0]}={given[named[0]]} needs --{missing} too: --coordinator=HOST:PORT "
            "--num_processes=N --process_id=K belong together"
        )
    found = address(given) if named else {}
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(**found)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"--distributed finds no cluster ({error}): give --coordinator, --num_processes and --process_id"
        ) from None


def address(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of jax.distributed.initialize."""
    host, _, port = given["coordinator"].rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--coordinator={given['coordinator']!r} must be HOST:PORT of the first process")
    number = values.integer("num_processes", given["num_processes"], least=1)
    process = values.integer("process_id", given["process_id"], least=0)
    if process >= number:
        raise UsageError(f"--process_id={process} must be below --num_processes={number}")
    return dict(coordinator_address=given["coordinator"], num_processes=number, process_id=process)
