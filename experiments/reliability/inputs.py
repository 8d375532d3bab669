"""Is every input that is refused refused in a sentence, and does every accepted one train two steps?

Flags of the command, and knobs of `request.made` in Python, are drawn by hypothesis: some sensible, some at
the edge, some absurd.
"""

import collections
import pathlib
import re
import typing
import warnings
from typing import Any

import jax
import numpy as np

import grokjax as gj
from grokjax.cli import documentation
from grokjax.cli import request as command
from grokjax.cli.values import UsageError
from grokjax.runner import plan, request

TINY: dict[str, dict[str, Any]] = {
    "addition": dict(digits=1, batch=4),
    "digitwise": dict(digits=1, batch=4),
    "modular": dict(modulus=5),
    "group": dict(group="C4"),
    "induction": dict(vocabulary=5, length=9, piece_length=2, batch=4),
    "skip_trigram": dict(length=4, batch=4),
}
SMALL = dict(d_model=8, heads=2, seeds=2, evaluation_size=4, evaluate_every=2)
LARGEST = 3e8
"""Bytes above which an accepted request is only planned."""
PROGRAMS_KEPT = 25
"""Inputs after which the compiled programs are dropped."""
TEXTS: tuple[str, ...] = (
    "",
    " ",
    "x",
    "-1",
    "0",
    "1",
    "2",
    "3",
    "1.5",
    "0.5",
    "nan",
    "inf",
    "-inf",
    "1e-30",
    "1e30",
    "1e400",
)
TEXTS += (
    "none",
    "true",
    "2147483647",
    "2147483648",
    "9" * 30,
    "1,2",
    "1,1",
    "0.1,0.2",
    ",",
    "1,",
    "é",
    "[b]",
)
TEXTS += ("sgd", "adam", "rope", "abacus", "fire", "sinusoidal", "single", "parallel", "lsb", "full", "gelu")
TEXTS += ("uniform", "positional", "cosine", "tokens", "random", "3+4", "1/2", "W_E", "b_U", "W_E+W_U", "a*b")
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    3,
    1.5,
    0.5,
    float("nan"),
    float("inf"),
    1e30,
    10**12,
)
VALUES += (
    "",
    "x",
    "sgd",
    "rope",
    "single",
    "full",
    [],
    [1, 2],
    [0.1, 0.1],
    (1, 2),
    {},
    np.float32(0.5),
    b"x",
)
REJECTED, TRAINED, DIVERGED, PLANNED = (
    "rejected",
    "trained",
    "diverged",
    "planned only, too large to train here",
)


def run(folder: pathlib.Path, examples: int, seed: int = 0) -> dict[str, Any]:
    """Draws so many inputs, half of them flags. Returns the counts, and what went wrong."""
    from hypothesis import HealthCheck, Phase, given, settings, strategies
    from hypothesis import seed as seeded

    counts, failures = collections.Counter[str](), list[str]()

    def drawn(table: dict[str, tuple[Any, ...]], absurd: tuple[Any, ...]) -> Any:
        """Up to three of the knobs, each with a value that fits it, or (one in four) with any."""
        value = lambda name: strategies.sampled_from(
            table[name] * (-(-3 * len(absurd) // len(table[name]))) + absurd
        )
        pair = strategies.sampled_from(sorted(table)).flatmap(
            lambda name: strategies.tuples(strategies.just(name), value(name))
        )
        return strategies.lists(pair, min_size=1, max_size=3).map(dict)

    common = dict(max_examples=-(-examples // 2), database=None, deadline=None, phases=[Phase.generate])
    tasks = strategies.sampled_from(sorted(TINY))

    @seeded(seed)
    @settings(suppress_health_check=list(HealthCheck), **common)  # type: ignore[arg-type]
    @given(tasks, drawn(as_flags(knobs_of()), TEXTS))
    def flags(task: str, given_flags: dict[str, str]) -> None:
        options = {"task": task, **SMALL, **TINY[task], "steps": 2, "epoch_steps": 2, **given_flags}
        argv = [f"--{name}={value}" for name, value in options.items()]
        tried(lambda: command.read(argv).request, list(given_flags), counts, failures, " ".join(argv))

    @seeded(seed)
    @settings(suppress_health_check=list(HealthCheck), **common)  # type: ignore[arg-type]
    @given(tasks, drawn(knobs_of(), VALUES))
    def in_python(task: str, given_knobs: dict[str, Any]) -> None:
        options = {**SMALL, **TINY[task], "steps": 2, "epoch_steps": 2}
        options = {request.SHORT.get(name, name): value for name, value in options.items()} | given_knobs
        tried(lambda: request.made(task, **options), list(given_knobs), counts, failures, f"{task} {options}")

    before = jax.config.values["jax_disable_most_optimizations"]
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        flags()
        in_python()
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
    return dict(tried=counts.total(), outcomes=dict(counts), failures=failures)


def knobs_of() -> dict[str, tuple[Any, ...]]:
    """Returns a few values that may fit, for every field of tasks, ModelConfig, Recipe, Hyper and the run."""
    found: dict[str, tuple[Any, ...]] = dict(
        seeds=(1, 2, 3), steps=(1, 2), epoch_steps=(1, 2), block=(1, 2, None)
    )
    found |= dict(save=("log", "all", "every:1", "0"), preset=("nanda", "pizza", "notes"), nonsense=(1,))
    for cls in (*request.TASKS.values(), gj.ModelConfig, gj.Recipe, gj.Hyper):
        texts = documentation.of_fields(cls)
        for name, hint in request.fields(cls).items():
            choices = re.findall(r"\w+(?= \|)|(?<=\| )\w+", texts.get(name, ""))
            kinds = typing.get_args(hint) or (hint,)
            values: list[Any] = [None] * (type(None) in kinds) + choices
            values += [True, False] if bool in kinds else [1, 2, 3, 4] if int in kinds else []
            found[name] = tuple(values) or (0.0, 0.5, 1.0, 2.0)
    return {name: values for name, values in found.items() if name != "seed"}


def as_flags(table: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Returns the same as texts of flags."""
    text = lambda value: str(value).lower() if value is None or isinstance(value, bool) else str(value)
    return {name: tuple(map(text, values)) for name, values in table.items()} | dict(first_seed=("0", "5"))


def tried(
    make: Any, given: list[str], counts: collections.Counter[str], failures: list[str], text: str
) -> None:
    """Counts what became of one input."""
    try:
        asked = make()
    except UsageError as error:
        wrong = unhelpful(str(error), given)
        return noted(counts, failures, REJECTED, text, wrong)
    except ValueError as error:
        return noted(counts, failures, REJECTED, text, unhelpful(str(error), given))
    except Exception as error:
        return noted(counts, failures, "traceback", text, f"{type(error).__name__}: {error}")
    try:
        outcome = two_steps(asked)
        wrong = (
            "a number is not finite and the run is not said to have diverged" if outcome == "silent" else ""
        )
    except ValueError as error:
        outcome, wrong = REJECTED, unhelpful(str(error), given)
    except Exception as error:
        outcome, wrong = "traceback", f"{type(error).__name__}: {str(error)[:300]}"
    noted(counts, failures, outcome, text, wrong)


def noted(counts: collections.Counter[str], failures: list[str], outcome: str, text: str, wrong: str) -> None:
    """Counts an outcome, and writes down what is wrong with it."""
    counts[outcome] += 1
    if counts.total() % PROGRAMS_KEPT == 0:
        jax.clear_caches()  # every input is another program, and a process may map only so many
    if wrong:
        failures.append(f"{text}: {wrong}")


def unhelpful(sentence: str, given: list[str]) -> str:
    """Returns what is wrong with a refusal: it must be one line that names something that was given."""
    names = [*given, *(request.SHORT.get(name, name) for name in given)]
    if "\n" in sentence.strip() or not sentence.strip():
        return f"it is not one line: {sentence!r}"
    return "" if any(name in sentence for name in names) else f"it names nothing that was given: {sentence!r}"


def two_steps(asked: request.Request) -> str:
    """Trains an accepted request for two steps; are its numbers finite, or said to have diverged?"""
    planned = plan.plan(asked)
    if planned.memory - plan.memory.FIXED > LARGEST or asked.num_runs > 64:
        return PLANNED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        *_, last = gj.train(
            asked.task, asked.config, asked.recipe, asked.hypers, steps=2, epoch_steps=2, block=asked.block
        )
    names = ("loss", "gradient_norm", "parameter_norm")
    finite = np.all([np.isfinite(last.metrics[name]).reshape(asked.num_runs, -1).all(1) for name in names], 0)
    finite &= np.all(
        [
            np.isfinite(leaf).reshape(asked.num_runs, -1).all(1)
            for leaf in jax.tree.leaves(last.on_host().params)
        ],
        0,
    )
    if not (finite | last.diverged | ~last.active).all():
        return "silent"
    return DIVERGED if last.diverged.any() else TRAINED
