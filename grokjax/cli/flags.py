"""The flags of a sweep, one for every field of the tasks, ModelConfig, Recipe and Hyper, on a registry of
their own.
"""

import dataclasses
import textwrap
import typing
from collections.abc import Sequence
from typing import Any

from absl import flags

from grokjax import tasks
from grokjax.cli.help_texts import GROUPS, SPELLINGS, SWITCHES
from grokjax.cli.values import UsageError
from grokjax.config import Hyper, ModelConfig, Recipe

TASKS: dict[str, Any] = {
    "addition": tasks.Addition,
    "digitwise": tasks.DigitwiseAddition,
    "modular": tasks.ModularAddition,
    "induction": tasks.Induction,
    "skip_trigram": tasks.SkipTrigram,
}
OWN = ("task", "preset", *GROUPS["Run and output"])
"""The flags that are no field."""


class _TrueOrFalse(flags.BooleanParser):
    def parse(self, argument: Any) -> bool:
        try:
            return super().parse(argument)
        except (ValueError, TypeError):
            raise ValueError("must be true or false") from None


def fields(cls: Any) -> dict[str, Any]:
    """The fields of a dataclass that a user may set, by name, with their annotations; of a partial one those
    that are open.
    """
    fixed = getattr(cls, "keywords", {})
    cls = getattr(cls, "func", cls)
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.name not in fixed}


def groups() -> dict[str, dict[str, Any]]:
    """Fields with their annotations, by the group that `--help` shows them in; base and order belong to the
    task alone.
    """
    task = {name: hint for cls in TASKS.values() for name, hint in fields(cls).items()}
    model = {name: hint for name, hint in fields(ModelConfig).items() if name not in task}
    return {"Task": task, "Model": model, "Recipe": fields(Recipe), "Hyper": fields(Hyper)}


def define() -> flags.FlagValues:
    """A fresh registry. A flag is true/false, or text that is read later (so of a repeated one only the last
    counts); None: not given.
    """
    registry = flags.FlagValues()
    for group, annotations in groups().items():
        for name, hint in annotations.items():
            spelling = SPELLINGS.get(name, name)
            _define(registry, group, spelling, hint is bool)
            if spelling != name:
                flags.DEFINE_alias(name, spelling, flag_values=registry, module_name="Alias")
    for group, texts in GROUPS.items():
        for name in texts:
            if name in OWN:
                _define(registry, group, name, name in SWITCHES)
    return registry


def _define(registry: flags.FlagValues, group: str, name: str, boolean: bool) -> None:
    text = GROUPS[group].get(name, "")
    if boolean:
        flags.DEFINE_boolean(name, None, text, flag_values=registry, module_name=group)
        registry[name].parser = _TrueOrFalse()
    else:
        flags.DEFINE_string(name, None, text, flag_values=registry, module_name=group)


def parse(argv: Sequence[str]) -> dict[str, Any]:
    """What the user gave, by the flag's shortest name; UsageError for a flag that does not exist or words
    that belong to none.
    """
    registry = define()
    try:
        rest = registry(["seed_sweep", *argv])[1:]
    except flags.Error as error:
        raise UsageError(f"{str(error).strip().rstrip('?. ')}; --help lists every flag") from None
    if rest:
        raise UsageError(f"{rest[0]!r} belongs to no flag: write --flag=value; --help lists every flag")
    aliases = {name for name, spelling in SPELLINGS.items() if name != spelling}
    return {
        name: registry[name].value
        for name in registry
        if name not in aliases and registry[name].value is not None
    }


def help_text(introduction: str) -> str:
    """`--help`: every flag by group, in the order of the tables, with its unit and default."""
    registry, lines = (
        define(),
        [
            introduction.strip(),
            "",
            "In brackets: what holds without the flag, where no preset says otherwise.",
        ],
    )
    for group, texts in GROUPS.items():
        lines += ["", f"{group}:"]
        names = [flag.name for flag in registry.get_flags_for_module(group)]
        for name in [*(name for name in texts if name in names), *sorted(set(names) - set(texts))]:
            flag = f"--[no]{name}" if registry[name].boolean and group != "Run and output" else f"--{name}"
            text = registry[name].help + ("" if "[" in registry[name].help else default(name))
            lines += textwrap.wrap(text, 110, initial_indent=f"  {flag:<20} ", subsequent_indent=" " * 23)
    return "\n".join(lines) + "\n"


def default(flag: str) -> str:
    """In brackets, the default of the first dataclass that has a field of this flag."""
    for cls in (*TASKS.values(), ModelConfig, Recipe, Hyper):
        for field in dataclasses.fields(getattr(cls, "func", cls)):
            if SPELLINGS.get(field.name, field.name) == flag:
                return f" [{str('none' if field.default == () else field.default).lower()}]"
    return ""
