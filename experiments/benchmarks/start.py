"""From the command to the first trained step: where the time goes, with an empty cache of compiled programs
and the second time.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

from experiments.benchmarks.measuring import summary

COMMAND = ("-m", "experiments.seed_sweep", "--seeds=8", "--steps=1", "--epoch_steps=1")
TRAINED = "100%"
"""How the line begins that is printed once the step is done."""


def until_trained(folder: pathlib.Path, number: int) -> float:
    """Seconds from the command to the first trained step of 8 runs of the 5-digit preset."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(folder / "cache"), "PYTHONUNBUFFERED": "1"}
    environment.pop("XLA_FLAGS", None)
    began = time.perf_counter()
    command = [sys.executable, *COMMAND, f"--output={folder / str(number)}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(TRAINED):
                took = time.perf_counter() - began
                process.kill()
                return took
    raise RuntimeError(f"{' '.join(command)} ended with {process.returncode} before a step was trained")


def of_code(code: str) -> float:
    """Seconds of a fresh Python that runs the code."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - began


def first_step(rounds: int) -> dict[str, Any]:
    """cold: with an empty cache; warm: the second time; imports of both, and of these what JAX itself takes
    with its devices.
    """
    cold, warm, imports, devices = [], [], [], []
    for _ in range(rounds):
        imports.append(of_code("import experiments.seed_sweep"))
        devices.append(of_code("import jax; jax.devices()"))
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            cold.append(until_trained(pathlib.Path(folder), 0))
            warm.append(until_trained(pathlib.Path(folder), 1))
    return {
        **summary("cold_seconds", cold),
        **summary("warm_seconds", warm),
        **summary("import_seconds", imports),
        **summary("jax_and_devices_seconds", devices),
    }
