"""One program for every device: compiled once, then loaded on each.

To compile takes seconds, and `jax.jit` would do it for every device anew. To load what was compiled for
another device of the same kind takes a tenth of that, and gives the same machine code, so the same bits.
"""

import contextlib
import io
import pickle
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax.experimental import serialize_executable
from jax.sharding import SingleDeviceSharding
from jaxtyping import PyTree

MOST_KEPT = 64
"""Copies of programs that stay loaded on further devices."""

_copies: dict[Hashable, tuple[Any, jax.stages.Compiled]] = {}


def compiled(
    function: Any, static: tuple[Any, ...], shapes: dict[str, PyTree], devices: list[Any]
) -> dict[Any, jax.stages.Compiled]:
    """Device -> the jitted `function`, compiled for static arguments and the shapes of its keywords.

    It is compiled for the first device of this process whichever are asked for, so that one entry of the
    compilation cache serves all of them. The copies for other devices stay loaded, and are given again.
    """
    return _on_each(function, static, shapes, devices, kept_copy)


def compiled_once(
    function: Any, static: tuple[Any, ...], shapes: dict[str, PyTree], devices: list[Any]
) -> dict[Any, jax.stages.Compiled]:
    """Returns what `compiled` does, for a caller that keeps it: nothing stays loaded when it is dropped."""
    return _on_each(function, static, shapes, devices, copy)


def _on_each(
    function: Any,
    static: tuple[Any, ...],
    shapes: dict[str, PyTree],
    devices: list[Any],
    copied: Callable[[jax.stages.Compiled, Any], jax.stages.Compiled | None],
) -> dict[Any, jax.stages.Compiled]:
    first = next(device for device in jax.local_devices() if device.platform == devices[0].platform)
    with one_entry_for_all_devices():
        source = compiled_for(function, static, shapes, first)

        def on(device: Any) -> jax.stages.Compiled:
            if device == first:
                return source
            # What was read from the cache cannot be copied (the copy would lack functions): it is read again.
            made = None if is_cached() else copied(source, device)
            return made or compiled_for(function, static, shapes, device)

        with ThreadPoolExecutor(len(devices)) as pool:
            return dict(zip(devices, pool.map(on, devices), strict=True))


def compiled_for(
    function: Any, static: tuple[Any, ...], shapes: dict[str, PyTree], device: Any
) -> jax.stages.Compiled:
    """The function compiled for one device, or read from the compilation cache; JAX keeps it in memory."""
    there = SingleDeviceSharding(device)
    placed = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=there), shapes)
    return function.lower(*static, **placed).compile()


def is_cached() -> bool:
    """Whether JAX keeps compiled programs in a folder."""
    settings = jax.config.values
    return bool(settings["jax_enable_compilation_cache"] and settings["jax_compilation_cache_dir"])


class _Entries:
    """How many callers are inside `one_entry_for_all_devices`, and JAX's own function meanwhile."""

    lock, inside, own = threading.Lock(), 0, None


@contextlib.contextmanager
def one_entry_for_all_devices() -> Iterator[None]:
    """Inside, the keys of JAX's compilation cache do not name the device that a program is compiled for.

    JAX leaves it out on GPUs only. Where it cannot be left out, each device's program is compiled.
    """
    from jax._src import cache_key

    name = "_hash_serialized_compile_options"
    with _Entries.lock:
        if not _Entries.inside and hasattr(cache_key, name):
            own = _Entries.own = getattr(cache_key, name)
            setattr(cache_key, name, lambda hashed, options, **_: own(hashed, options, True))
        _Entries.inside += 1
    try:
        yield
    finally:
        with _Entries.lock:
            _Entries.inside -= 1
            if not _Entries.inside and _Entries.own is not None:
                setattr(cache_key, name, _Entries.own)


def kept_copy(source: jax.stages.Compiled, device: Any) -> jax.stages.Compiled | None:
    """The copy of a program on another device, made once while few others are; None where it cannot be."""
    key = (id(source.runtime_executable()), device)
    if key in _copies:
        return _copies[key][1]
    if (found := copy(source, device)) is None:
        return None
    while len(_copies) >= MOST_KEPT:
        _copies.pop(next(iter(_copies)))
    # the executable is kept beside its copy, so that no other is given its id
    _copies[key] = source.runtime_executable(), found
    return found


def copy(source: jax.stages.Compiled, device: Any) -> jax.stages.Compiled | None:
    """A freshly compiled program on another device of its kind; None where this version of JAX cannot do it.

    `serialize_executable.deserialize_and_load` would load it on the device that it was compiled for.
    """
    try:
        written, in_tree, out_tree = serialize_executable.serialize(source)
        executable, arguments, no_kwargs = _Reader(io.BytesIO(written), device).load()
        given = in_tree.unflatten(arguments)
        return jax.stages.Compiled(executable.load(), [], given, out_tree, no_kwargs=no_kwargs)
    except Exception:  # the interface is not promised; the caller compiles then, which only takes longer
        return None


class _Reader(pickle.Unpickler):
    """Reads what `serialize_executable.serialize` wrote, with `device` where the program's own was named."""

    def __init__(self, file: io.BytesIO, device: Any):
        super().__init__(file)
        self.device = device

    def persistent_load(self, named: tuple[Any, ...]) -> Any:
        if named[0] != "exec":
            return self.device if named[0] == "device" else self.device.client
        from jax._src import compiler
        from jax._src.lib import xla_client

        options = compiler.get_compile_options(
            num_replicas=1, num_partitions=1, device_assignment=np.array([[self.device.id]])
        )
        return self.device.client.deserialize_executable(
            named[1], xla_client.DeviceList((self.device,)), options
        )
