"""What stands in the README is so: two lines to start with, commands that exist, a snippet that runs, links
that lead somewhere.
"""

import importlib.util
import pathlib
import re
import shlex

import pytest

from experiments import seed_sweep
from grokjax import interp
from grokjax.cli import request

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.replace("`", "") for line in re.findall(r"`python -m [^`]+`", README)]


def block(language):
    return re.search(rf"```{language}\n(.*?)```", README, re.S)[1]


def flags_of(command):
    return shlex.split(command.split("experiments.seed_sweep", 1)[1])


def test_start_is_two_lines_that_each_make_their_environment():
    first, second = block("bash").splitlines()
    makes, runs = first.split(" && .venv/bin/python -m ")
    assert second == f"{makes} && .venv/bin/python -m pytest"
    assert '".[test]"' in makes and runs.startswith("experiments.seed_sweep ")
    made = request.read(flags_of(first)).request
    assert (made.task.num_digits, made.config.d_model, made.steps, made.resume, len(made.hypers.seed)) == (
        3,
        64,
        1500,
        True,
        8,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_table_exist(command):
    module = shlex.split(command)[2]
    assert importlib.util.find_spec(module)
    if module == "experiments.seed_sweep" and "--help" not in command:
        request.read(flags_of(command))


def test_the_snippets_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny = (
        "--digits=1 --d_model=8 --heads=4 --batch=8 --epoch_steps=5 --evaluation_size=16 --evaluate_every=5"
    )
    assert seed_sweep.main([*tiny.split(), "--seeds=4", "--steps=20", "--output=runs/start"]) == 0
    names = {}
    for snippet in re.findall(r"```python\n(.*?)```", README, re.S):
        exec(snippet.replace("steps=2000", "steps=100"), names)
    assert names["sweep"].metrics["loss"].shape == (4, 20, 2)
    assert names["damage"].log_odds.shape == (4, 1, 4, 1, 2)
    assert (tmp_path / "runs/grokking/curves.png").stat().st_size > 1000


def test_every_module_of_interp_that_is_named_is_there():
    rows = re.findall(r"^\| (`[a-z_` ]+`) \|", README.split("in `grokjax.interp`")[1], re.M)
    named = {name for row in rows for name in re.findall("`([a-z_]+)`", row)}
    assert len(named) > 15 and not [name for name in named if not hasattr(interp, name)]


def test_links_lead_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert links and all((ROOT / link).exists() for link in links)
