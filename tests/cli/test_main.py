"""The command from outside: its version, its help, a mistake, and a stranger's `experiments` beside it."""

import os
import pathlib
import subprocess
import sys
from importlib import metadata

import grokjax
from grokjax.checkpoints import surroundings
from grokjax.cli import main

ROOT = pathlib.Path(grokjax.__file__).parents[1]


def test_version_help_and_a_mistake(capsys):
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"grokjax {grokjax.__version__}\n"
    assert main.main([]) == 0
    assert "grokjax sweep" in capsys.readouterr().out
    assert main.main(["swep"]) == 2
    assert "'swep' is no command" in capsys.readouterr().err


def test_a_package_named_experiments_is_not_in_the_way(tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/__init__.py").write_text("raise RuntimeError('not for you')")
    found = subprocess.run(
        [sys.executable, "-m", "grokjax.cli", "sweep", "--help"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert "--weight_decay" in found.stdout


def test_the_installed_script_is_the_command():
    text = (ROOT / "setup.cfg").read_text()
    assert "grokjax = grokjax.cli.main:console_script" in text


def test_a_checkout_that_is_not_installed_has_a_version(monkeypatch, capsys):
    def nothing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", nothing)
    assert main.main(["--version"]) == 0
    assert grokjax.__version__ in capsys.readouterr().out
    surroundings.versions.cache_clear()
    assert surroundings.versions()["grokjax"] == "not installed"
    monkeypatch.undo()
    surroundings.versions.cache_clear()
