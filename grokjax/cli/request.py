"""What the flags ask for: texts as values, and these as a `runner.Request`."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from grokjax.cli import idle, values
from grokjax.cli.flags import FLAGS, RUN, names, parse
from grokjax.cli.values import UsageError
from grokjax.config import Hyper, ModelConfig, Recipe
from grokjax.runner import request
from grokjax.runner.request import MOST_RUNS, SHORT, TASKS, fields

NO_KNOBS = ("task", "preset", *RUN)


class Asked(NamedTuple):
    """What a user asked for: a sweep, its directory, whether only to plan it, notes on the flags,
    and where TensorBoard's files go."""

    request: request.Request
    output: str
    dry_run: bool
    notes: list[str]
    tensorboard: str | None = None


def read(argv: Sequence[str], command: str = "") -> Asked:
    """What a command line asks for. Raises UsageError, in one sentence, for a mistake; nothing is written."""
    given = parse(argv)
    try:
        return build(given, command)
    except ValueError as error:
        raise UsageError(as_flags(str(error), argv)) from None


def as_flags(sentence: str, argv: Sequence[str] = ()) -> str:
    """A sentence of the library in the words of the command: --layers=0 where it says num_layers=0.

    A flag of two names has the one that was typed in argv.
    """
    typed = {
        short: field for field, short in FLAGS.items() if re.search(rf"(?m)^--?{field}\b", "\n".join(argv))
    }
    flag = lambda found: f"--{FLAGS.get(found[0], found[0])}" if found[0] in names() else found[0]
    sentence = re.sub(r"(?<![-\w.])\w+(?==)", flag, sentence.replace("(resume=True)", "(--resume)"))
    return re.sub(r"(?<=--)\w+", lambda found: typed.get(found[0], found[0]), sentence)


def build(given: dict[str, Any], command: str) -> Asked:
    """What flags ask for."""
    name = request.chosen("task", given.get("task", "addition"), TASKS)
    refuse_strangers(name, given)
    hints = {**fields(Recipe), **fields(ModelConfig), **fields(TASKS[name])}
    texts = {SHORT.get(flag, flag): text for flag, text in given.items() if flag not in NO_KNOBS}
    lists = {field: values.grid(field, text) for field, text in texts.items() if field in fields(Hyper)}
    knobs = {
        field: text if hints[field] is bool else values.one(FLAGS.get(field, field), text, hints[field])
        for field, text in texts.items()
        if field not in lists
    }
    asked = request.made(
        name,
        preset=given.get("preset"),
        seeds=seeds_of(given),
        steps=count(given, "steps", "5000"),
        epoch_steps=count(given, "epoch_steps", "50"),
        block=None if given.get("block", "none") == "none" else count(given, "block", "1"),
        save=given.get("save", "log"),
        resume=bool(given.get("resume")),
        command=command,
        **knobs,
        **lists,
    )
    if not (output := given.get("output", f"runs/{name}")).strip():
        raise UsageError("--output='' is empty: give it a value or leave the flag out")
    notes = idle.notes(asked, given)
    return Asked(asked, output, bool(given.get("dry_run")), notes, given.get("tensorboard"))


def refuse_strangers(task: str, given: dict[str, Any]) -> None:
    """Raises UsageError for an option of another task."""
    own = [FLAGS.get(field, field) for field in fields(TASKS[task])]
    others = {FLAGS.get(field, field) for cls in TASKS.values() for field in fields(cls)}
    if strange := sorted((others - set(own) - set(fields(ModelConfig))) & set(given)):
        taken = ", ".join(f"--{option}" for option in own)
        given_as = f"--{strange[0]}={given[strange[0]]}"
        raise UsageError(f"{given_as} is no option of the task {task!r}, which takes {taken}")


def count(given: dict[str, Any], flag: str, default: str) -> int:
    """A number of at least 1."""
    return values.integer(flag, given.get(flag, default), least=1)


def seeds_of(given: dict[str, Any]) -> Sequence[int]:
    """The seeds K ... K + N - 1 of --seeds N --first_seed K, or those that --seed lists."""
    if "seed" in given:
        if clash := [flag for flag in ("seeds", "first_seed") if flag in given]:
            raise UsageError(f"--seed={given['seed']} and --{clash[0]}={given[clash[0]]} exclude each other")
        seeds = [int(seed) for seed in values.grid("seed", given["seed"])]
        if len(set(seeds)) < len(seeds):
            raise UsageError(f"--seed={given['seed']} names a seed twice: it would be the same run again")
        return seeds
    number = values.integer("seeds", given.get("seeds", "8"), least=1)
    if number > MOST_RUNS:
        raise UsageError(f"--seeds={number} must be at most {MOST_RUNS}")
    first = values.integer("first_seed", given.get("first_seed", "0"), least=0)
    if first + number - 1 > values.LARGEST_INTEGER:
        most = values.LARGEST_INTEGER - number + 1
        raise UsageError(
            f"--first_seed={first} must be at most {most}, so that all {number} seeds fit into 32 bits"
        )
    return range(first, first + number)
