"""Read and edit named activations: the model calls `tap(name, x) -> x`, the rest is functions over that.

>>> edits = {"blocks.0.attn.z": lambda z: z.at[:, :, 2].set(0)}
>>> logits, cache = run_with_cache(forward, edits)(config, params, tokens)
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import jax

Tap = Callable[[str, Any], Any]
Edits = Mapping[str, Callable[[Any], Any]]
Names = Collection[str] | Callable[[str], bool]
Output = TypeVar("Output")


def untouched(name: str, x: Any) -> Any:
    """The tap that changes nothing; with it the plain program runs, so that every activation exists."""
    return x


def prefixed(tap: Tap, prefix: str) -> Tap:
    """The tap that a block hands down: its names get `prefix.` in front."""
    return untouched if tap is untouched else lambda name, x: tap(f"{prefix}.{name}", x)


def run_with_cache(
    forward: Callable[..., Output], edits: Edits | None = None, *, names: Names | None = None
) -> Callable[..., tuple[Output, dict[str, jax.Array]]]:
    """A function of `forward`'s arguments that returns (output, activations by name after their edits).

    edits: functions of an activation under its name; those that hold arrays are data, vmap over them works
    names: what the cache keeps: a list, or a predicate of the name; None keeps every activation
    The function raises ValueError for a name that the model does not have, listing the real ones.
    """
    edits = dict(edits or {})
    listed = set() if names is None or callable(names) else {names} if isinstance(names, str) else set(names)
    wanted = names if callable(names) else lambda name: names is None or name in listed

    def run(*args: Any, **kwargs: Any) -> tuple[Output, dict[str, jax.Array]]:
        cache: dict[str, jax.Array] = {}
        seen: list[str] = []

        def tap(name: str, x: Any) -> Any:
            seen.append(name)
            x = edits[name](x) if name in edits else x
            if wanted(name):
                cache[name] = x
            return x

        output = forward(*args, tap=tap, **kwargs)
        require_known({*edits, *listed}, seen)
        return output, cache

    return run


def require_known(names: Collection[str], real: Collection[str]) -> None:
    """Raises ValueError where a name is not among the real ones, which it lists."""
    if unknown := sorted(set(names) - set(real)):
        raise ValueError(f"no activation is named {', '.join(unknown)}; there are {', '.join(sorted(real))}")


def edit_gradient(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """An edit that leaves the activation as it is and changes the gradient that comes back through it.

    `{"blocks.0.attn.pattern": edit_gradient(jnp.zeros_like)}` lets no gradient through the pattern.
    """
    edit = jax.custom_vjp(lambda x: x)
    edit.defvjp(lambda x: (x, None), lambda _, gradient: (change(gradient),))
    return edit
