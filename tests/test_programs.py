"""One program for all devices: compiled once, and read from the cache once more in another process."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from grokjax import programs

two_devices = pytest.mark.skipif(len(jax.devices()) < 2, reason="one device")


@functools.partial(jax.jit, static_argnames="times")
def powers(times, *, x, more):
    step = lambda _, y: jnp.tanh(y @ x + more["b"])
    return jax.lax.fori_loop(0, times, step, x).sum()


def given(size):
    return dict(x=np.eye(size, dtype=np.float32), more=dict(b=np.ones(size, np.float32)))


def answers(size, times=3):
    loaded = programs.compiled(powers, (times,), given(size), jax.devices())
    return [
        (program(**jax.device_put(given(size), device)), device, program)
        for device, program in loaded.items()
    ]


@pytest.fixture
def cache(tmp_path):
    """An empty compilation cache that keeps everything, or none where the folder is None."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    kept = {name: jax.config.values[name] for name in names}

    def use(folder):
        jax.clear_caches()
        jax.config.update(names[0], folder)
        jax.config.update(names[1], 0)
        compilation_cache.reset_cache()

    yield use
    use(None)
    for name, value in kept.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@two_devices
def test_each_device_runs_the_program_on_itself(cache):
    cache(None)
    found = answers(5)
    assert [out.devices() for out, *_ in found] == [{device} for _, device, _ in found]
    assert len({float(out) for out, *_ in found}) == 1
    again = answers(5)
    for a, b in zip(found, again, strict=True):
        assert a[2].runtime_executable() is b[2].runtime_executable()


@two_devices
def test_without_a_cache_it_is_compiled_once_and_copied(cache, monkeypatch):
    cache(None)
    compiled_for, seen = programs.compiled_for, []
    monkeypatch.setattr(programs, "compiled_for", lambda *args: seen.append(args[-1]) or compiled_for(*args))
    answers(6)
    assert seen == jax.devices()[:1]


@two_devices
def test_with_a_cache_one_entry_serves_all_devices_now_and_later(cache, tmp_path):
    cache(str(tmp_path))
    first = [float(out) for out, *_ in answers(7)]
    entries = lambda: sorted(path.name for path in tmp_path.glob("jit_powers*-cache"))
    assert len(entries()) == 1
    kept = entries()
    jax.clear_caches()
    assert [float(out) for out, *_ in answers(7)] == first and entries() == kept


@two_devices
def test_where_it_cannot_be_copied_it_is_compiled_for_each_device(cache, monkeypatch):
    cache(None)
    monkeypatch.setattr(programs.serialize_executable, "serialize", lambda source: 1 / 0)
    assert len({float(out) for out, *_ in answers(8)}) == 1
