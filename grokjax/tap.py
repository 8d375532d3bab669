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


@jax.tree_util.register_pytree_with_keys_class
class Cache(dict[str, Any]):
    """Activations by name, a dict and a pytree: `cache["blocks.0.attn.pattern"]`, or `cache["pattern", 0]`.

    The short form is a name without its block and the layer, -1 for the last; `hook_` in a name is ignored.
    Raises KeyError, listing the names that there are, for any other.
    """

    def __missing__(self, key: Any) -> Any:
        if (name := full_name(key, self)) is None:
            raise KeyError(f"no activation is named {key!r}; there are {', '.join(self)}")
        return self[name]

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
        """The activations in the order of their names, as of any dict."""
        names = tuple(sorted(self))
        return [(jax.tree_util.DictKey(name), self[name]) for name in names], names

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], values: Any) -> "Cache":
        """The cache of these names."""
        return cls(zip(names, values, strict=True))


def full_name(key: Any, names: Collection[str]) -> str | None:
    """The name that a key of TransformerLens means, `("pattern", 0)`, among those that there are; or None."""
    if isinstance(key, str):
        plain = key.replace("hook_", "")
        return plain if plain in names else None
    if not (isinstance(key, tuple) and len(key) >= 2 and isinstance(key[0], str) and isinstance(key[1], int)):
        return None
    layers = {int(name.split(".")[1]) for name in names if name.startswith("blocks.")}
    layer = key[1] + (max(layers, default=-1) + 1 if key[1] < 0 else 0)
    parts = [key[2]] if len(key) > 2 else ["", "attn", "mlp"]
    found = (
        ".".join(filter(None, ("blocks", str(layer), part, key[0].replace("hook_", "")))) for part in parts
    )
    return next((name for name in found if name in names), None)


def untouched(name: str, x: Any) -> Any:
    """The tap that changes nothing; with it the plain program runs, so that every activation exists."""
    return x


def prefixed(tap: Tap, prefix: str) -> Tap:
    """The tap that a block hands down: its names get `prefix.` in front."""
    return untouched if tap is untouched else lambda name, x: tap(f"{prefix}.{name}", x)


def run_with_cache(
    forward: Callable[..., Output], edits: Edits | None = None, *, names: Names | None = None
) -> Callable[..., tuple[Output, Cache]]:
    """A function of `forward`'s arguments that returns (output, activations by name after their edits).

    edits: functions of an activation under its name; those that hold arrays are data, vmap over them works
    names: what the cache keeps: a list, or a predicate of the name; None keeps every activation
    The function raises ValueError for a name that the model does not have, listing the real ones.
    """
    edits = dict(edits or {})
    listed = set() if names is None or callable(names) else {names} if isinstance(names, str) else set(names)
    wanted = names if callable(names) else lambda name: names is None or name in listed

    def run(*args: Any, **kwargs: Any) -> tuple[Output, Cache]:
        cache = Cache()
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
