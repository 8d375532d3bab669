"""Every experiment by its name, and one of them run at its tiny size."""

import importlib
import json
import pathlib
import pkgutil
from types import ModuleType

import experiments
from experiments.frame import study

THEMES = [module.name for module in pkgutil.iter_modules(experiments.__path__) if module.ispkg]
MODULES = [
    importlib.import_module(f"experiments.{theme}.{module.name}")
    for theme in THEMES
    for module in pkgutil.iter_modules([str(pathlib.Path(experiments.__path__[0]) / theme)])
]
EXPERIMENTS: dict[str, ModuleType] = {
    module.__name__.removeprefix("experiments."): module
    for module in MODULES
    if hasattr(module, "SMALL") and hasattr(module, "measure")
}
SHORT = {name.rpartition(".")[2]: name for name in EXPERIMENTS}


def of(theme: str) -> list[str]:
    """Returns the names of a theme's experiments."""
    return [name for name in EXPERIMENTS if name.partition(".")[0] == theme]


def text(value: study.Setting) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def run(name: str, output: pathlib.Path, capsys) -> None:
    """Runs an experiment at its SMALL, and asserts that it wrote a whole finding and printed it."""
    module = EXPERIMENTS[name]
    flags = [f"--{flag}={text(value)}" for flag, value in module.SMALL.items()]
    name = name.rpartition(".")[2]
    assert study.main(module, [*flags, f"--runs={output / 'runs'}", f"--output={output}"]) == 0, (
        capsys.readouterr().err
    )
    found = json.loads((output / f"{name}.json").read_text())
    assert found["answers"] and found["seeds"] and (output / f"{name}.png").stat().st_size > 1000
    assert all(answer["id"] in capsys.readouterr().out for answer in found["answers"][:1])
