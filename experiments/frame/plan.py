"""Which experiments answer which questions, how long each takes, and at which sizes they run."""

import ast
import importlib
import math
import pathlib
import pkgutil
import re
from collections.abc import Collection, Sequence
from types import ModuleType
from typing import NamedTuple

import experiments
from experiments.frame.study import Setting

SIZES = ("smoke", "cpu", "gpu")
SEEDS = 32
"""Seeds at the size `gpu` where an experiment names no LARGE of its own."""
UNKNOWN = 10.0
"""Minutes of an experiment that does not say how long it takes."""
SECONDS = {"s": 1, "min": 60, "minute": 60, "minutes": 60, "h": 3600}


class Planned(NamedTuple):
    """An experiment: its module, the ids that it answers, and its minutes on two cores at the size `cpu`."""

    name: str
    module: ModuleType
    ids: tuple[str, ...]
    minutes: float

    @property
    def short(self) -> str:
        """The name of its files."""
        return self.name.rpartition(".")[2]


def every() -> list[Planned]:
    """Returns every experiment that answers a question, the cheap ones first."""
    root = pathlib.Path(experiments.__path__[0])
    names = [
        f"{theme.name}.{file.name}"
        for theme in pkgutil.iter_modules([str(root)])
        if theme.ispkg
        for file in pkgutil.iter_modules([str(root / theme.name)])
    ]
    modules = {name: importlib.import_module(f"experiments.{name}") for name in names}
    found = [
        Planned(name, module, answered(module), minutes(module))
        for name, module in modules.items()
        if hasattr(module, "measure") and hasattr(module, "DEFAULTS")
    ]
    return sorted(found, key=lambda one: one.minutes)


def chosen(ids: Collection[str]) -> list[Planned]:
    """Returns the experiments that answer some of the questions; all of them where none is named.

    Raises ValueError for an id that none answers.
    """
    found = every()
    if lost := sorted(set(ids) - {id for one in found for id in one.ids}):
        raise ValueError(f"--only={','.join(lost)}: no experiment answers it; see docs/findings.md")
    return [one for one in found if not ids or set(ids) & set(one.ids)]


def answered(module: ModuleType) -> tuple[str, ...]:
    """The ids that stand in the source of an experiment, and of what it imports of its theme that is none."""
    strings = {
        node.value
        for one in (module, *parts(module))
        for node in ast.walk(tree(one))
        if isinstance(node, ast.Constant)
    }
    return tuple(sorted(x for x in strings if isinstance(x, str) and re.fullmatch(r"\d{3}-\d{2}", x)))


def parts(module: ModuleType) -> list[ModuleType]:
    """The modules of its theme that an experiment imports and that are no experiments themselves."""
    theme = str(module.__spec__.name if module.__spec__ else module.__name__).rpartition(".")[0]
    imports = [node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom)]
    names = {
        f"{node.module}.{alias.name}" for node in imports for alias in node.names if node.module == theme
    }
    names |= {str(node.module) for node in imports if str(node.module).startswith(f"{theme}.")}
    found = [importlib.import_module(name) for name in sorted(names)]
    return [one for one in found if not hasattr(one, "measure")]


def tree(module: ModuleType) -> ast.Module:
    """The syntax tree of a module's source."""
    return ast.parse(pathlib.Path(str(module.__file__)).read_text())


def minutes(module: ModuleType) -> float:
    """The time of an experiment on two cores, from its docstring; `UNKNOWN` where it says none."""
    text = re.search(
        r"(?:Time:|Takes|took)\D{0,30}?\b([\d.]+|an?)\s+(s|min|minutes?|h)\b", module.__doc__ or ""
    )
    if text is None:
        return UNKNOWN
    number = 1.0 if text[1].startswith("a") else float(text[1])
    return number * SECONDS[text[2]] / 60


def settings(module: ModuleType, size: str) -> dict[str, Setting]:
    """The settings of an experiment at a size."""
    if size == "smoke":
        return {**module.DEFAULTS, **module.SMALL}
    if size == "cpu":
        return dict(module.DEFAULTS)
    if large := getattr(module, "LARGE", None):
        return {**module.DEFAULTS, **large}
    more = {"seeds": max(SEEDS, module.DEFAULTS.get("seeds", 0))}
    return {**module.DEFAULTS, **{key: value for key, value in more.items() if key in module.DEFAULTS}}


def flags(given: dict[str, Setting], defaults: dict[str, Setting]) -> list[str]:
    """The settings that differ from the defaults, as flags."""
    said = lambda value: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [f"--{name}={said(value)}" for name, value in given.items() if value != defaults.get(name)]


def left(planned: Sequence[Planned], took: float, done: float) -> float:
    """Minutes left, from those that are planned and how long what is done took beside what it was to take."""
    pace = took / done if done > 0 and math.isfinite(took) else 1.0
    return pace * sum(one.minutes for one in planned)
