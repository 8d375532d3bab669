"""What every experiment shares: its settings as flags, and the sweeps that it trains or finds trained."""

import dataclasses
import pathlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from absl import flags
from rich.console import Console

from experiments.frame import meanings
from experiments.frame.finding import conclude
from grokjax.checkpoints import Sweep, open_sweep
from grokjax.cli import interruption, machine, running
from grokjax.cli.values import UsageError, integer
from grokjax.runner import request

PUBLISHED = pathlib.Path("docs/findings")
Setting = int | tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Study:
    """One experiment under way: its settings by name, and the directory under which its sweeps lie."""

    settings: dict[str, Setting]
    directory: pathlib.Path
    console: Console

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    @property
    def seeds(self) -> list[int]:
        """The seeds of every cell: the first ones."""
        return list(range(self["seeds"]))

    def sweep(self, label: str, **options: Any) -> Sweep:
        """Returns a sweep, trained as far as its directory lacks it.

        options: those of `grokjax.runner.request.made`; a list for a field of Hyper is a grid
        Seeds and steps are the study's unless given. Without `save` only the first and last epoch are kept.
        """
        return self._sweep(self.directory / label, label, options)

    def shared(self, label: str, **options: Any) -> Sweep:
        """Returns the same for a sweep of several experiments: it lies beside their directories."""
        return self._sweep(self.directory.parent / label, label, options)

    def _sweep(self, directory: pathlib.Path, label: str, options: dict[str, Any]) -> Sweep:
        given = {"seeds": self["seeds"], "steps": self["steps"], "save": "0", **options}
        command = " ".join([label, *(f"{name}={value}" for name, value in given.items())])
        asked = request.made(**given, command=command)
        self.console.print(command, style="dim", highlight=False)
        if not running.train(directory, asked, self.console).finished:
            raise KeyboardInterrupt
        return open_sweep(directory)


def main(module: ModuleType, argv: Sequence[str]) -> int:
    """Runs the experiment of a module (its docstring, DEFAULTS and `measure`) and returns the exit status.

    The finding is printed and written down: into docs/findings with the settings of DEFAULTS, else beside the
    runs, so that a trial never replaces what is published.
    """
    spec = getattr(module, "__spec__", None)
    name = spec.name if module.__name__ == "__main__" and spec else module.__name__
    machine.set_up()
    if {"-h", "--help", "-help", "--helpfull"} & set(argv):
        print(meanings.help_text(module, name.rpartition(".")[2], str(PUBLISHED)))
        return 0
    short = name.rpartition(".")[2]
    try:
        settings, runs, output = read(short, module.DEFAULTS, argv)
        console = running.console()
        conclude(name, module.measure(Study(settings, runs, console)), argv, output, console)
    except (ValueError, OSError) as error:
        print(f"{short}: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    except KeyboardInterrupt as error:
        interruption.drop(error)
        print(f"{short}: stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def read(
    name: str, defaults: dict[str, Setting], argv: Sequence[str]
) -> tuple[dict[str, Setting], pathlib.Path, pathlib.Path]:
    """Returns the settings, the directory of the runs and that of the finding.

    A tuple is given as 2,3,5. Raises UsageError for a mistake.
    """
    registry = flags.FlagValues()
    for flag in defaults:
        flags.DEFINE_string(flag, None, "", flag_values=registry)
    flags.DEFINE_string("runs", f"runs/{name}", "", flag_values=registry)
    flags.DEFINE_string("output", None, "", flag_values=registry)
    try:
        rest = registry([name, *argv])[1:]
    except flags.Error as error:
        known = ", ".join(f"--{flag}" for flag in (*defaults, "runs", "output"))
        raise UsageError(f"{str(error).strip().rstrip('?. ')}; the flags are {known}") from None
    if rest:
        raise UsageError(f"{rest[0]!r} belongs to no flag: write --flag=value")
    if registry.output is not None and not pathlib.Path(registry.output).is_dir():
        raise UsageError(f"--output={registry.output!r} must be a directory that exists")
    given = {flag: text for flag in defaults if (text := getattr(registry, flag)) is not None}
    settings = {**defaults, **{flag: _setting(flag, text, defaults[flag]) for flag, text in given.items()}}
    runs = pathlib.Path(registry.runs)
    published = PUBLISHED if settings == defaults else runs / "finding"
    return settings, runs, pathlib.Path(registry.output or published)


def _setting(flag: str, text: str, default: Setting) -> Setting:
    if isinstance(default, tuple):
        return tuple(integer(flag, part, least=0) for part in text.split(","))
    return integer(flag, text, least=1)
