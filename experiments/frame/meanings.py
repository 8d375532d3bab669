"""What the settings of experiments mean: `--help` of each, grouped, with defaults and units."""

import textwrap
from collections.abc import Mapping
from types import ModuleType
from typing import Any

GROUPS: dict[str, dict[str, str]] = {
    "Training": {
        "seeds": "runs of every setting, of seeds 0, 1, ...",
        "first_seed": "the first seed",
        "steps": "optimiser steps of every run",
        "slow_steps": "optimiser steps of the runs with a tenth of the rate",
        "single_steps": "optimiser steps of the runs that predict one digit",
        "sequence_steps": "optimiser steps of the runs that write the whole answer",
        "sequence_seeds": "runs of every setting that write the whole answer",
        "single_seeds": "runs of every setting that predict one digit",
        "wide_steps": "optimiser steps of the wide runs",
        "third_steps": "optimiser steps of the runs on the third digit",
        "batch": "examples of a step",
        "batches": "examples of a step, each tried",
        "batch_seeds": "runs of every batch size",
        "sequence_batch": "examples of a step of the runs that write the whole answer",
        "decays": "weight decays, each tried",
        "percent": "share of the table that is trained on, in per cent",
        "percents": "shares of the table that are trained on, in per cent, each tried",
        "plain": "runs of the same model on the other tasks that are compared",
        "followed": "runs of 2 layers, in which carries are followed",
        "fewer": "runs of the settings that take longest",
        "starts": "random starts of each fit of attention heads",
        "snapshots": "saved epochs that are looked at",
        "early": "the step at which it is measured what foretells the end",
        "every": "epochs from one saved epoch to the next",
        "changes": "which changes of training, by their number",
    },
    "Model": {
        "d_model": "width of the residual stream",
        "sequence_d_model": "width of the runs that write the whole answer",
        "third_d_model": "width of the runs on the third digit",
        "widths": "widths of the residual stream, each tried",
        "wide": "width of the wide runs",
        "narrow": "width of the narrow runs",
        "heads": "attention heads of a layer; of several each is tried",
        "few_heads": "smaller numbers of attention heads, each tried",
        "layers": "blocks",
        "rates": "shares of learned attention in per cent, the rest uniform, each tried",
    },
    "Task": {
        "digits": "digits of each operand",
        "third_digits": "digits of each operand of the runs on the third digit",
        "lengths": "digits of each operand, each tried",
        "bases": "bases of the digits, each tried",
        "other_bases": "further bases of the digits, each tried",
        "deep_bases": "bases with more digits than the others",
        "modulus": "answers are modulo this",
        "moduli": "moduli, each tried",
        "symbols": "symbols of each operand",
        "tasks": "which operations and groups, by their number",
        "cyclic": "elements of the cyclic group",
        "dihedral": "half of the elements of the dihedral group",
        "symmetric": "points of which all permutations are taken",
        "alternating": "points of which the even permutations are taken",
        "vocabulary": "token ids",
        "piece": "tokens of the piece that repeats",
        "trained": "the most digits of an operand that are trained on",
        "cells": "which kinds of positions and formats, by their number",
        "counts": "digit pairs that are held out of training, each tried",
        "singles": "answer digits that a run of its own predicts alone, 0 = units",
        "single": "answer digits that a run of its own predicts alone, 0 = units",
        "orders": "orders in which the digits are written, by their number",
    },
    "Measuring": {
        "size": "examples of the evaluation set",
        "sizes": "examples of an evaluation set, each tried",
        "few": "examples of the smaller evaluation set, for what is slow",
        "edits": "examples whose activations are changed",
        "scored": "examples on which what was chosen is scored",
        "each": "examples of every kind of carry",
        "per_class": "examples of each class",
        "problems": "examples that are looked at",
        "draws": "random draws",
        "joints": "random joint distributions",
        "replayed": "spikes that are trained through again",
        "curves": "synthetic curves of each kind",
        "gammas": "strengths of the pull to the trained parameters, each tried",
        "burn_in": "steps of the sampler that are left out",
        "chains": "chains of the sampler for every estimate",
        "batch_size": "examples of a gradient of the sampler",
        "examples": "examples whose loss is sampled",
        "lanczos": "steps of Lanczos' method",
    },
}
"""A line for every setting, by group. A module's own MEANINGS = {setting: text} comes before them."""
LAST = {
    "runs": "directory of the sweeps; what is there is gone on with",
    "output": "directory of the finding: NAME.json and its picture",
}
OTHER = "Other"


def help_text(module: ModuleType, name: str, published: str) -> str:
    """Returns `--help` of an experiment: its docstring, and every flag with its meaning and default.

    name: of the module without its theme;  published: where the finding goes with the settings as they are
    """
    own: Mapping[str, str] = getattr(module, "MEANINGS", {})
    lines = [
        str(module.__doc__).strip(),
        "",
        "In brackets: what holds without the flag. Several values: 2,3,5.",
    ]
    for group, settings in grouped(module.DEFAULTS).items():
        lines += ["", f"{group}:"]
        lines += [
            line(setting, own.get(setting) or meaning(setting), value) for setting, value in settings.items()
        ]
    output = f"{published} with these settings, else RUNS/finding"
    lines += [
        "",
        "Output:",
        line("runs", LAST["runs"], f"runs/{name}"),
        line("output", LAST["output"], output),
    ]
    return "\n".join(lines)


def grouped(defaults: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the settings of an experiment by group, in the order of GROUPS; no group is empty."""
    homes = {setting: group for group, settings in GROUPS.items() for setting in settings}
    found: dict[str, dict[str, Any]] = {group: {} for group in (*GROUPS, OTHER)}
    for setting, value in defaults.items():
        found[homes.get(setting, OTHER)][setting] = value
    return {group: settings for group, settings in found.items() if settings}


def meaning(setting: str) -> str:
    """Returns the line of a setting; empty for one that none is written for."""
    return next((settings[setting] for settings in GROUPS.values() if setting in settings), "")


def line(flag: str, text: str, default: Any) -> str:
    """Returns a flag with its meaning and its default as it is typed, wrapped."""
    typed = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    words = f"{text} [{typed}]".strip()
    return textwrap.fill(words, 100, initial_indent=f"  {f'--{flag}':<20} ", subsequent_indent=" " * 23)
