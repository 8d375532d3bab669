"""What every test needs: two devices on a CPU, one compilation cache, matplotlib without a display, the
reference data.
"""

import functools
import gc
import os
import pathlib

import psutil
import pytest

ROOT = pathlib.Path(__file__).parents[1]
REFERENCE = "GROKJAX_REFERENCE"

# Read when JAX starts its backend, so before any test computes.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_force_host_platform_device_count=2 --xla_cpu_multi_thread_eigen=false"
)
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".cache" / "jax"))
os.environ.setdefault("MPLBACKEND", "agg")

# Tracing makes millions of objects, few of them garbage: about a tenth of the tests' time went into looking
# for it.
gc.set_threshold(50_000, 5, 5)

AS_USERS_RUN_IT = (
    "training",
    "golden",
    "checkpoints",
    "test_seed_sweep",
    "test_scale",
    "test_mapping",
    "test_replay",
    "test_programs",
)
"""Folders and files whose subject is the compiled program itself, its bits. Elsewhere compilation would take
most of the time.
"""


MOST_MEMORY = 4 * 2**30
"""Bytes of one process of the tests beyond which it forgets what it has compiled: thousands of programs."""


FAST_TO_COMPILE = {"xla_cpu_use_fusion_emitters": False}
"""Options of XLA for plain programs. The CPU's newer code generator takes four fifths of the compilation of a
training program, unoptimised or not; the older one computes the same.
"""


@pytest.fixture(scope="module", autouse=True)
def compilation(request):
    """Full optimisation where programs are run as users run them; none where only the arithmetic is the
    subject.
    """
    import jax  # after the environment above is set
    from jax._src import compiler

    plain = not {request.path.parent.name, request.path.stem} & set(AS_USERS_RUN_IT)
    full = psutil.Process().memory_info().rss > MOST_MEMORY
    if full or plain != compilation_is_plain[0]:
        jax.clear_caches()  # what is compiled in one way must not serve in the other
        compilation_is_plain[0] = plain
        jax.config.update("jax_disable_most_optimizations", plain)
    with pytest.MonkeyPatch.context() as patch:
        if plain:  # JAX has no setting for options of all programs of a process that begin and end
            patch.setattr(compiler, "get_compile_options", fast_to_compile(compiler.get_compile_options))
        yield


def fast_to_compile(own):
    """JAX's function of the options of a program, with FAST_TO_COMPILE beneath those of the caller."""

    @functools.wraps(own)
    def options(*sizes, env_options_overrides=None, **others):
        overrides = FAST_TO_COMPILE | (env_options_overrides or {})
        return own(*sizes, env_options_overrides=overrides, **others)

    return options


compilation_is_plain = [False]


@pytest.fixture(scope="session")
def reference() -> pathlib.Path:
    """The folder of models and curves that others trained; a test that needs it is skipped, with the reason,
    where it is not set.
    """
    folder = os.environ.get(REFERENCE)
    if not folder:
        pytest.skip(
            f"the environment variable {REFERENCE} does not name the folder of reference weights and curves"
        )
    if not pathlib.Path(folder).is_dir():
        pytest.fail(f"{REFERENCE}={folder!r} is not a folder")
    return pathlib.Path(folder)
