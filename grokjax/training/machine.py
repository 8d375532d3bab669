"""What a process sets up before JAX starts: one device per core, compiled programs kept between runs."""

import os
import pathlib

import jax

from grokjax.training import devices


def set_up(cache: str | os.PathLike[str] | None = None) -> pathlib.Path:
    """Uses every core, and keeps compiled programs between processes; call it before anything is computed.

    cache: the folder of the programs; None takes JAX_COMPILATION_CACHE_DIR, else one fixed folder
    Returns that folder. XLA_FLAGS that already say how many devices there are stay as they are.
    """
    devices.one_per_core()
    folder = pathlib.Path(cache or os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder()).expanduser()
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # Small programs too: the second start then compiles nothing.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


def cache_folder() -> pathlib.Path:
    """One fixed path: inside a checkout of the project its .cache, else the user's."""
    root = pathlib.Path(__file__).parents[2]
    if (root / "setup.cfg").is_file():
        return root / ".cache" / "jax"
    return (
        pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "grokjax" / "jax"
    )
