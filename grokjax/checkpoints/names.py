"""Names of classes and functions in a description, and back: nothing is imported or run for them.

A name is found only if it is a dataclass of the project, if the running program has already defined it (in
`__main__` or in a module of its own, not of the standard library or of an installed package), or if the
caller gives it as trusted.
"""

import dataclasses
import functools
import pathlib
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from grokjax import config, objective, tasks

ALIASES = {"ModularAddition": "ModularArithmetic"}
"""Classes that older versions recorded by another name."""
CLASSES = (config, tasks)
"""Where the project's dataclasses are found, whichever of its modules held them when they were recorded."""
PROJECT = __name__.partition(".")[0]


def name_of(thing: Any) -> str:
    """Returns `module:qualname`, and the repr of a callable that has no name.

    A script that was run with `python -m` is called by its real name.
    """
    qualname = getattr(thing, "__qualname__", None)
    if qualname is None:
        return repr(thing)
    module = thing.__module__
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return f"{spec.name if module == '__main__' and spec else module}:{qualname}"


def can_be_found(name: str) -> bool:
    """Returns whether a name can lead back to its thing.

    That of a lambda, of what a function defined, and of an object without a name cannot.
    """
    return ":" in name and "<" not in name


def current(name: str) -> str:
    """Returns what is called so now.

    A class that moved within the project, or was renamed, has one name.
    """
    thing = projects(name)
    return name if thing is None else name_of(thing)


def projects(name: str) -> Any:
    """Returns the project's own dataclass or loss of a name, else None.

    The name may be one that an older version recorded.
    """
    module, _, path = name.partition(":")
    if module.partition(".")[0] != PROJECT:
        return None
    path = ALIASES.get(path, path)
    for home in CLASSES:
        if is_dataclass(thing := vars(home).get(path)) and thing.__module__.startswith(PROJECT):
            return thing
    thing = vars(objective).get(path)
    return thing if getattr(thing, "__module__", None) == objective.__name__ else None


def dataclass(name: str, where: str, trusted: Sequence[Any] = ()) -> type:
    """Returns the dataclass of a recorded name.

    Raises ValueError naming `where` if it may not be looked up, or is gone.
    """
    return found(name, where, trusted, is_dataclass)


def function(name: str, where: str, trusted: Sequence[Any] = ()) -> Callable[..., Any]:
    """Returns the function of a recorded name.

    Raises ValueError naming `where` if it may not be looked up, or is gone.
    """
    return found(name, where, trusted, callable)


def found(name: str, where: str, trusted: Sequence[Any], fits: Callable[[Any], bool]) -> Any:
    """Returns the first candidate that is called so and fits."""
    for thing in candidates(name, trusted):
        if fits(thing):
            return thing
    raise ValueError(
        f"{where} was recorded as {name!r}, which is not part of {PROJECT} and not defined by this program; "
        "nothing is imported because a file names it: import it yourself and give it, "
        "open_sweep(DIR, trusted=[module, class or function])"
    )


def is_known(name: str) -> bool:
    """Returns whether a name is found without being given as trusted."""
    return any(callable(thing) for thing in candidates(name, ()))


def candidates(name: str, trusted: Sequence[Any]) -> Iterator[Any]:
    """Yields what a name may lead to, the caller's own things first."""
    module, _, path = name.partition(":")
    for thing in trusted:
        if isinstance(thing, types.ModuleType):
            yield from defined(thing, module, path)
        elif name_of(thing) == name:
            yield thing
    if module.partition(".")[0] == PROJECT:
        yield projects(name)
        return
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if module == "__main__" or (spec and spec.name == module):
        yield from defined(main, "__main__", path)
    loaded = sys.modules.get(module)
    if loaded is not None and is_users(loaded):
        yield from defined(loaded, module, path)


def defined(module: types.ModuleType, name: str, path: str) -> Iterator[Any]:
    """Yields what a module called `name` defines under a dotted path, not what it has only imported.

    It is looked up in the namespaces themselves, so that no code of the module runs.
    """
    if module.__name__ != name:
        return
    thing: Any = module
    for part in path.split("."):
        thing = vars(thing).get(part) if isinstance(thing, types.ModuleType | type) else None
    if getattr(thing, "__module__", None) == name and getattr(thing, "__qualname__", None) == path:
        yield thing


def is_dataclass(thing: Any) -> bool:
    """Returns whether a thing is a dataclass, not an instance of one."""
    return isinstance(thing, type) and dataclasses.is_dataclass(thing)


def is_users(module: types.ModuleType) -> bool:
    """Returns whether a module is the user's own.

    It is if it belongs neither to the standard library nor to an installed package.
    """
    file = getattr(module, "__file__", None)
    if module.__name__.partition(".")[0] in sys.stdlib_module_names or not isinstance(file, str):
        return False
    path = pathlib.Path(file).absolute()
    return not any(path.is_relative_to(folder) for folder in installed()) and not (
        {"site-packages", "dist-packages"} & set(path.parts)
    )


@functools.cache
def installed() -> tuple[str, ...]:
    """Returns the folders of the standard library and of installed packages."""
    return tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
