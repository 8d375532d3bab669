"""The wheel: what is in it, and that it works without the repository around it."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = ("grokjax", "experiments", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the sources, unpacked as pip would."""
    if int(metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip("setuptools is older than the 77 that pyproject.toml asks for: pip install -e '.[test]'")
    made = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, target = ROOT / name, made / "source" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", made, made / "source"]
    subprocess.run(command, check=True)
    [path] = made.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        file.extractall(made / "site")
    return made / "site"


def started(wheel, folder, *words):
    """Runs Python in a folder with the unpacked wheel, which comes before any other grokjax."""
    environment = os.environ | {"PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_has_the_experiments_and_the_types_and_not_the_tests(wheel):
    assert (wheel / "experiments/seed_sweep.py").is_file() and (wheel / "grokjax/py.typed").is_file()
    assert {path.name for path in wheel.iterdir() if path.suffix != ".dist-info"} == {
        "grokjax",
        "experiments",
    }
    packages = {path.parent.relative_to(ROOT) for path in ROOT.glob("grokjax/**/*.py")}
    assert all((wheel / package / "__init__.py").is_file() for package in packages)


def test_the_command_works_beside_a_package_called_experiments(wheel, tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/__init__.py").write_text("raise RuntimeError('this is not ours')\n")
    where = "import grokjax; print(grokjax.__file__)"
    assert started(wheel, tmp_path, "-c", where).strip() == str(wheel / "grokjax/__init__.py")
    shown = started(wheel, tmp_path, "-m", "grokjax.cli", "sweep", "--help")
    assert "--seeds" in shown and "--weight_decay" in shown


LOOK = """
import sys, time
import jax
began = time.process_time()
import grokjax
from grokjax import interp
print(time.process_time() - began)
heavy = {"matplotlib", "pandas", "xarray", "orbax"} & {name.partition(".")[0] for name in sys.modules}
assert not heavy, heavy
"""


def test_importing_takes_little_beyond_jax(wheel, tmp_path):
    seconds = float(started(wheel, tmp_path, "-c", LOOK))
    assert seconds < 2, f"{seconds:.1f} s of a processor beyond importing jax"
