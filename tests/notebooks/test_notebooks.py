"""Every notebook runs, from its first cell to its last, in a kernel of its own, elsewhere, at small sizes."""

import json
import os
import pathlib
import re

import nbclient
import nbformat
import pytest

ROOT = pathlib.Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TESTED_AT = dict(
    GROKJAX_SMALL="1",
    JAX_DISABLE_MOST_OPTIMIZATIONS="1",
    XLA_FLAGS="--xla_cpu_use_fusion_emitters=false",
)
"""What the kernels are given: small sizes, and programs that compile fast."""


def cells(path: pathlib.Path, kind: str) -> list[str]:
    """The sources of a notebook's cells of one kind."""
    found = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


@pytest.mark.filterwarnings("default")  # what the kernel's own libraries warn of
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    for name, value in TESTED_AT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    printed = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert any("image/png" in out.get("data", {}) for out in printed)  # it shows a picture
    errors = [out.text for out in printed if out.output_type == "stream" and out.name == "stderr"]
    assert not [text for text in errors if "Warning" in text], errors
    assert (tmp_path / "runs").is_dir()  # its sweeps lie where it was run


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_it_is_written(path):
    body = json.loads(path.read_text())
    nbformat.validate(body)
    code = [cell for cell in body["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    text = "\n".join(cells(path, "markdown"))
    assert re.search(r"^Time: about .* on two CPU cores", text, re.M), "it says how long it takes"
    links = re.findall(r"\]\((?!http)([^)]+)\)", text)
    assert all((path.parent / link).exists() for link in links), links


def test_all_install_alike_and_do_nothing_outside_colab():
    installs = {cells(path, "code")[0] for path in NOTEBOOKS}
    assert len(installs) == 1 and len(NOTEBOOKS) == 7
    names: dict = {}
    exec(installs.pop(), names)
    assert names["COLAB"] is False and names["RUNS"] == "runs" and names["SOURCE"]
