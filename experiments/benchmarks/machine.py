"""What a figure was measured on."""

import importlib.util
import os
import pathlib
import platform
from typing import Any

import jax

from grokjax.checkpoints.spec import versions
from grokjax.training.devices import usable_cores


def describe() -> dict[str, Any]:
    """Processor, cores, devices, versions, flags, and how busy the machine is."""
    found = versions()
    if importlib.util.find_spec("torch"):
        import torch

        found = found | {"torch": torch.__version__}
    return dict(
        processor=processor(),
        cores=usable_cores(),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        platform=jax.default_backend(),
        device=jax.devices()[0].device_kind,
        num_devices=jax.device_count(),
        versions=found,
        xla_flags=os.environ.get("XLA_FLAGS", ""),
        load_average=os.getloadavg()[0],
    )


def processor() -> str:
    """The processor's name."""
    information = pathlib.Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
