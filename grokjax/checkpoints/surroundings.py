"""What a sweep's bits depend on beside its own settings: versions, the machine, JAX's settings; and what a
change of them means.
"""

import functools
import importlib.metadata
import platform
from collections.abc import Mapping
from typing import Any

import jax

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "grokjax")
SETTINGS = ("jax_default_prng_impl", "jax_threefry_partitionable", "jax_enable_x64")
"""JAX's settings that change numbers."""
RANDOM = SETTINGS[:2]
"""Those that change every random number: batches, splits, initial weights."""
FLOAT32_ONLY = ("cpu",)
"""Platforms whose matrix products of float32 ignore a lower precision."""


@functools.cache
def versions() -> dict[str, str]:
    """Returns the versions of Python and of every package whose change may change bits."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine() -> dict[str, str]:
    """Returns the kind of device and of processor."""
    device = jax.devices()[0]
    return dict(platform=device.platform, device=device.device_kind, processor=platform.machine())


def settings() -> dict[str, str]:
    """Returns the values of SETTINGS by name."""
    return {name: str(getattr(jax.config, name)) for name in SETTINGS}


def refusals(recorded: Mapping[str, Any]) -> list[str]:
    """Returns a sentence for each setting that differs and without which a sweep cannot go on.

    With other random numbers it would be another sweep.
    """
    old, new = recorded.get("settings", {}), settings()
    return [
        f"{name}: recorded {old[name]}, now {new[name]}, which gives other random numbers"
        for name in RANDOM
        if old.get(name, new[name]) != new[name]
    ]


def changes(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns sentences about what changed between two descriptions, though the sweep goes on.

    With other versions, machine, settings, devices or processes its further steps may have other bits.
    """
    flat = lambda record: {
        **record["versions"],
        **record["machine"],
        **record.get("settings", {}),
        "the number of devices": record["num_devices"],
        "the number of processes": record["num_processes"],
    }
    old, new = flat(recorded), flat(now)
    changed = [name for name in new if old.get(name, new[name]) != new[name]]
    return [
        f"{name} was {old[name]} and is {new[name]}: further steps may have other bits" for name in changed
    ]


def ignored(recipe: Any) -> list[str]:
    """Returns a sentence where this device does not do what the recipe asks for."""
    precision, platform = getattr(recipe, "precision", "float32"), jax.devices()[0].platform
    if precision == "float32" or platform not in FLOAT32_ONLY:
        return []
    return [
        f"precision={precision!r} changes nothing on this device ({platform}): "
        "matrix products are float32 there"
    ]
