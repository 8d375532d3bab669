"""The forms in which a training step can be made, one after another in one process."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp

from grokjax.model import fast
from grokjax.model.fast import fused, layers, stream

FORMS = ("look-ups", "chunks", "plain")
"""As training takes it on an accelerator; with its rows in chunks, as on a CPU; by JAX's own derivative."""


@contextlib.contextmanager
def form_is(form: str) -> Iterator[None]:
    """Inside, programs are made in this form; what was traced in another is forgotten."""
    cutting, accepts = stream.cutting, fast.accepts
    jax.clear_caches()
    if form == "chunks":
        layers.cutting = fused.cutting = in_chunks
    if form == "plain":
        fast.accepts = lambda *_: False
    try:
        yield
    finally:
        layers.cutting = fused.cutting = cutting
        fast.accepts = accepts
        jax.clear_caches()


def in_chunks(rows: int, floats: int) -> Any:
    """Rows in the chunks that a CPU takes."""
    size = -(-rows // -(-rows * floats // stream.CHUNK))
    chunks = -(-rows // size)
    cut = lambda x: jnp.pad(x, ((0, chunks * size - rows), (0, 0))).reshape(chunks, size, -1)
    return cut, lambda x: x.reshape(chunks * size, -1)[:rows]
