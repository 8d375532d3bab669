"""Every block of Python in the documents runs, in the order in which it stands, in a directory of its own.
The site is built from them without a warning.
"""

import importlib
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import grokjax
from grokjax.runner.page import glossary

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "```python" in page.read_text()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        exec(compile(block, str(page), "exec"), names)


def test_links_of_the_documents_lead_somewhere():
    for page in (ROOT / "docs").rglob("*.md"):
        links = re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
        assert all((page.parent / link).exists() for link in links), page


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("zensical", reason="zensical (extra `docs`) is not installed")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.svg", "*.csv"))
    (tmp_path / "grokjax").symlink_to(ROOT / "grokjax")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = found.stdout + found.stderr
    assert found.returncode == 0 and "No issues found" in said, said
    assert "griffe" not in said and "arning" not in said, said
    pages = {
        path.parent.name: path.read_text() for path in (tmp_path / "build/site/api").glob("*/index.html")
    }
    assert 'id="grokjax.runner.run_sweep"' in pages["training"]
    assert 'id="grokjax.interp.ablation.heads"' in pages["interp"]
    assert 'id="grokjax.curves.shelves.find"' in pages["curves"]
    assert not re.search(r'(?:src|href)="https?://(?!zensical)', pages["training"])  # nothing is loaded


def test_every_public_module_has_its_place_in_the_api():
    text = "\n".join(page.read_text() for page in (ROOT / "docs/api").glob("*.md"))
    shown = set(re.findall(r"^::: (grokjax[\w.]*)", text, re.M))
    inside = lambda name: any(name == other or other.startswith(f"{name}.") for other in shown)
    assert not [name for name in grokjax.MODULES if not inside(f"grokjax.{name}")]
    for name in shown:
        module, _, member = name.rpartition(".")
        assert hasattr(importlib.import_module(module), member) or importlib.import_module(name), name


def test_the_glossary_has_the_names_of_levels_and_activations():
    import jax

    text = (ROOT / "docs/glossary.md").read_text()
    for name, clause in glossary.MEANINGS.items():
        assert f"`{name}`" in text, (name, clause)
    task = grokjax.Addition(num_digits=1, batch_size=2)
    config, recipe, hyper = grokjax.presets.nanda_addition(task, d_model=8, num_heads=2)
    cache = grokjax.Run.init(task, config, recipe, hyper).cache(task.batch(jax.random.key(0)).tokens)
    words = text.replace(".L.", ".0.")
    for name in cache:
        assert f"`{name}`" in words or f"`.{name.rpartition('.')[2]}`" in words, name
