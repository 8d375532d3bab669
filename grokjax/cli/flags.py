"""The flags of a sweep: one for every field of task, ModelConfig, Recipe and Hyper, and those of the run."""

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Any

from absl import flags

from grokjax.cli import documentation
from grokjax.cli.values import UsageError
from grokjax.config import DIGITS, SIZES, Hyper, ModelConfig, Recipe
from grokjax.presets import PRESETS
from grokjax.runner.request import SHORT, TASKS, fields

FLAGS = {field: short for short, field in SHORT.items()}
"""The flag of a field that has a shorter one; the field's own name works too."""
CHOICES = {
    "task": f"{' | '.join(TASKS)} [addition]",
    "preset": f"{' | '.join(PRESETS)}: model, recipe and hyper of a paper "
    "[nanda_addition for digits, else nanda]",
}
RUN = {
    "seeds": "number of seeds; the runs are seeds x grid [8]",
    "first_seed": "the first of them [0]",
    "seed": "the seeds themselves, instead of --seeds and --first_seed",
    "steps": "optimiser steps in all [5000]",
    "epoch_steps": "optimiser steps of one epoch (what --save counts) [50]",
    "block": "runs that share one program, part of a run's bits; none: by sizes and kind of device [none]",
    "save": "epochs to save: log (at most 64) | all (with full states) | every:K | 0,10,100 [log]",
    "output": "directory of the sweep [runs/TASK]",
    "tensorboard": "directory of event files for TensorBoard, with the extra `tensorboard` [none]",
    "resume": "go on with --output; with more --steps further, with more seeds or values more runs",
    "dry_run": "print what would be done, then stop: nothing is compiled or written",
    "distributed": "this is one of several processes of the sweep: on SLURM and in the clouds they find each "
    "other, see docs/scale.md",
    "coordinator": "elsewhere: HOST:PORT of the first process, with --num_processes and --process_id",
    "num_processes": "how many processes there are",
    "process_id": "which of them this is, from 0",
    "help": "show this text",
}
"""The flags that are no field of a run, with what `--help` says of them."""
SWITCHES = ("resume", "dry_run", "distributed", "help")
BY_PRESET = ("weight_decay", "train_fraction")
NOTES = {"Hyper": "each takes a comma-separated list too; all lists together, with every seed, are a grid"}


class _TrueOrFalse(flags.BooleanParser):
    def parse(self, argument: Any) -> bool:
        try:
            return super().parse(argument)
        except (ValueError, TypeError):
            raise ValueError("must be true or false") from None


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag: its field, annotation and text, the tasks that it is for, and whether they fix its value."""

    field: str
    annotation: Any
    text: str
    hidden: bool = False
    heading: str = ""

    @property
    def name(self) -> str:
        """As it is typed."""
        return FLAGS.get(self.field, self.field)


def groups() -> dict[str, list[Flag]]:
    """Every flag, in the groups and the order that `--help` shows them in."""
    task = of_tasks()
    names = {flag.field for flag in task}
    return {
        "Task": [Flag("task", str, CHOICES["task"]), *task],
        "Model": [flag for flag in of_class(ModelConfig) if flag.field not in names],
        "Recipe": [Flag("preset", str, CHOICES["preset"]), *of_class(Recipe)],
        "Hyper": [flag for flag in of_class(Hyper) if flag.field != "seed"],
        "Run and output": [Flag(name, bool if name in SWITCHES else str, text) for name, text in RUN.items()],
    }


def of_tasks() -> list[Flag]:
    """The flags of all tasks, those of the same tasks together, each as its first task documents it."""
    flags = {flag.field: flag for cls in reversed(TASKS.values()) for flag in of_class(cls)}
    order = dict.fromkeys(field for cls in TASKS.values() for field in fields(cls))
    takers = {field: [name for name, cls in TASKS.items() if field in fields(cls)] for field in order}
    found: dict[str, list[Flag]] = {}
    for field in order:
        heading = "all tasks" if len(takers[field]) == len(TASKS) else ", ".join(takers[field])
        found.setdefault(heading, []).append(dataclasses.replace(flags[field], heading=heading))
    return [flag for heading in sorted(found, key="all tasks".__ne__) for flag in found[heading]]


def of_class(cls: Any) -> list[Flag]:
    """A flag for every field, with the default in brackets; what follows from the task is hidden."""
    texts = documentation.of_fields(cls)
    fixed = (*SIZES, *DIGITS) if cls is ModelConfig else ()
    defaults = {field.name: field.default for field in dataclasses.fields(getattr(cls, "func", cls))}
    return [
        Flag(name, hint, f"{texts.get(name, '')} [{default(name, defaults[name])}]", name in fixed)
        for name, hint in fields(cls).items()
    ]


def default(name: str, value: Any) -> str:
    """A default as it is typed."""
    if name in BY_PRESET:
        return "by the preset"
    if value in (None, ()) or (name == "frozen" and not value):
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def define() -> flags.FlagValues:
    """A fresh registry. A flag is true/false, or text that is read later (so of a repeated one only the last
    counts); None: not given.
    """
    registry = flags.FlagValues()
    for group, members in groups().items():
        for flag in members:
            if flag.annotation is bool:
                flags.DEFINE_boolean(flag.name, None, flag.text, flag_values=registry, module_name=group)
                registry[flag.name].parser = _TrueOrFalse()
            else:
                flags.DEFINE_string(flag.name, None, flag.text, flag_values=registry, module_name=group)
            if flag.name != flag.field:
                flags.DEFINE_alias(flag.field, flag.name, flag_values=registry, module_name="Alias")
    return registry


def names() -> set[str]:
    """Every flag and every field that has one."""
    return {name for members in groups().values() for flag in members for name in (flag.name, flag.field)}


def parse(argv: Sequence[str]) -> dict[str, Any]:
    """What the user gave, by the flag's shortest name. UsageError for a flag or a word that is none."""
    registry = define()
    try:
        rest = registry(["sweep", *argv])[1:]
    except flags.Error as error:
        raise UsageError(f"{str(error).strip().rstrip('?. ')}; --help lists every flag") from None
    if rest:
        raise UsageError(f"{rest[0]!r} belongs to no flag: write --flag=value; --help lists every flag")
    return {
        name: registry[name].value
        for name in registry
        if name not in FLAGS and registry[name].value is not None
    }


def help_text(introduction: str) -> str:
    """`--help`: every flag by group, with its unit and default."""
    lines = [
        introduction.strip(),
        "",
        "In brackets: what holds without the flag, where no preset says otherwise.",
    ]
    for group, members in groups().items():
        lines += ["", f"{group}:", *([f"  ({NOTES[group]})"] if group in NOTES else [])]
        heading = ""
        for flag in members:
            if flag.hidden:
                continue
            if flag.heading != heading:
                heading = flag.heading
                lines.append(f" for {heading}")
            no = "[no]" if flag.annotation is bool and flag.field not in SWITCHES else ""
            lines += textwrap.wrap(
                flag.text, 100, initial_indent=f"  {f'--{no}{flag.name}':<20} ", subsequent_indent=" " * 23
            )
    return "\n".join(lines) + "\n"
