"""What a process sets up before JAX starts: one device per core, compiled programs kept between runs, fewer
garbage collections.
"""

import gc
import os
import pathlib

import jax

from grokjax.training import devices


def set_up() -> None:
    """Devices (a user's own XLA_FLAGS are respected), the cache of programs, Python's garbage. Call it before
    anything is computed.
    """
    devices.one_per_core()
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    # Small programs too: the second start then compiles nothing.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # Tracing makes a million objects, few of them garbage: looking for it after every 700 took a tenth of the
    # start.
    gc.set_threshold(50_000)


def cache_folder() -> pathlib.Path:
    """One fixed path: inside a checkout of the project its .cache, else the user's."""
    root = pathlib.Path(__file__).parents[2]
    if (root / "setup.cfg").is_file():
        return root / ".cache" / "jax"
    return (
        pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "grokjax" / "jax"
    )
