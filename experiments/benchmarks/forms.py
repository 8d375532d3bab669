"""The forms in which a training step can be made, one after another in one process."""

import contextlib
from collections.abc import Iterator

import jax

from grokjax.model import fast
from grokjax.model.fast import stream

FORMS = ("look-ups", "chunks", "plain")
"""As training takes it on an accelerator; with its rows in chunks, as on a CPU; by JAX's own derivative."""


@contextlib.contextmanager
def form_is(form: str) -> Iterator[None]:
    """Inside, programs are made in this form; what was traced in another is forgotten."""
    fits, accepts = stream.has_cache_to_fit, fast.accepts
    jax.clear_caches()
    if form == "chunks":
        stream.has_cache_to_fit = lambda: True
    if form == "plain":
        fast.accepts = lambda *_: False
    try:
        yield
    finally:
        stream.has_cache_to_fit, fast.accepts = fits, accepts
        jax.clear_caches()
