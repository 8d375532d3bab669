"""Read and edit named activations: the model calls `tap(name, x) -> x`; everything else is ordinary functions
over that.

>>> logits, cache = run_with_cache(forward, {"blocks.0.attn.z": lambda z: z.at[:, :, 2].set(0)})(config,
  params, tokens)
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax

Tap = Callable[[str, Any], Any]
Output = TypeVar("Output")


def untouched(name: str, x: Any) -> Any:
    """The tap that changes nothing; with it the plain program runs, so that every activation exists."""
    return x


def prefixed(tap: Tap, prefix: str) -> Tap:
    """The tap that a block hands down: its names get `prefix.` in front."""
    return untouched if tap is untouched else lambda name, x: tap(f"{prefix}.{name}", x)


def run_with_cache(
    forward: Callable[..., Output],
    edits: Mapping[str, Callable[[Any], Any]] | None = None,
) -> Callable[..., tuple[Output, dict[str, jax.Array]]]:
    """A function of `forward`'s arguments that returns (output, cache): the cache has every named activation,
    after its edit.

    `edits` maps names to functions of the activation. Those that hold arrays are data: vmap over them works.
    Raises ValueError for a name that the model does not have, listing the real ones.
    """
    edits = dict(edits or {})

    def run(*args: Any, **kwargs: Any) -> tuple[Output, dict[str, jax.Array]]:
        cache: dict[str, jax.Array] = {}

        def tap(name: str, x: Any) -> Any:
            cache[name] = edits[name](x) if name in edits else x
            return cache[name]

        output = forward(*args, tap=tap, **kwargs)
        if unknown := sorted(set(edits) - set(cache)):
            raise ValueError(
                f"no activation is named {', '.join(unknown)}; there are {', '.join(sorted(cache))}"
            )
        return output, cache

    return run
