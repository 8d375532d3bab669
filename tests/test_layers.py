"""Imports point down: a module imports only from floors below its own, or from files of its package that do
not import it back.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FLOORS = (
    {"config", "tap", "keys", "trees", "programs", "figures", "version"},
    {"theory", "curves", "presets", "mapping"},
    {"tasks", "model", "sweep"},
    {"objective"},
    {"run"},
    {"training", "interp"},
    {"checkpoints", "interop", "replay"},
    {"runner"},
    {"comparison"},
    {"cli"},
    {"__init__"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def room(module: str) -> str:
    """The file or package directly under grokjax that holds a module: `grokjax.model.fast.fused` is in
    `model`.
    """
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def statements(tree: ast.AST) -> list[ast.AST]:
    """Every node but those that only a type checker reads."""
    for_types = lambda node: isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    return [
        tree,
        *(node for child in ast.iter_child_nodes(tree) if not for_types(child) for node in statements(child)),
    ]


def imports(source: str, package: str, modules: set[str]) -> set[str]:
    """The modules (of `modules`) that a source file of `package` imports anywhere in it, lazily too."""
    found = set()
    for node in statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in modules:
                name = name.rpartition(".")[0]
            found |= {name} - {""}
    return found


def graph(root: pathlib.Path) -> dict[str, set[str]]:
    """Every module under root/grokjax and root/experiments with the modules among them that it imports."""
    files = {}
    for path in [*root.glob("grokjax/**/*.py"), *root.glob("experiments/**/*.py")]:
        parts = path.relative_to(root).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    package = lambda name: name if files[name].name == "__init__.py" else name.rpartition(".")[0]
    return {
        name: imports(path.read_text(), package(name), set(files)) - {name} for name, path in files.items()
    }


def wrong_arrows(arrows: dict[str, set[str]]) -> list[str]:
    """Each import that points up, sideways, or out of grokjax, in words."""
    wrong = []
    for source, targets in sorted(arrows.items()):
        for target in sorted(targets if source.startswith("grokjax") else ()):
            here, there = room(source), room(target)
            if not target.startswith("grokjax"):
                wrong.append(f"{source} imports {target}, which is outside grokjax")
            elif here != there and FLOOR[there] >= FLOOR[here]:
                wrong.append(f"{source} (floor {FLOOR[here]}) imports {target} (floor {FLOOR[there]})")
    return wrong


def imported_back(arrows: dict[str, set[str]]) -> list[str]:
    """The modules that reach themselves through the imports of their own package."""

    def reached(start: str) -> set[str]:
        seen, open_ends = set(), [start]
        while open_ends:
            inside = {target for target in arrows[open_ends.pop()] if room(target) == room(start)}
            open_ends += inside - seen
            seen |= inside
        return seen

    return sorted(name for name in arrows if name in reached(name))


def test_every_module_has_a_floor():
    homeless = {room(name) for name in graph(ROOT) if name.startswith("grokjax")} - set(FLOOR)
    assert not homeless, f"give {sorted(homeless)} a floor in FLOORS"


def test_imports_point_down():
    assert wrong_arrows(graph(ROOT)) == []


def test_no_file_is_imported_back():
    assert imported_back(graph(ROOT)) == []


@pytest.mark.parametrize(
    "path, source, complaint",
    [
        ("config.py", "from grokjax.model import fused", "floor 2"),
        ("theory/bounds.py", "from ..model.fused import carry", "floor 2"),
        ("tasks/addition.py", "def late():\n    import grokjax.training.loop", "floor 5"),
        ("keys.py", "from . import checkpoints", "floor 6"),
        ("sweep.py", "class A:\n    from grokjax.tasks import Batch", "floor 2"),
        ("interp/probes.py", "from experiments import seed_sweep", "outside"),
    ],
)
def test_a_planted_arrow_is_found(tmp_path, path, source, complaint):
    for name in (
        "grokjax/model/fused",
        "grokjax/theory/levels",
        "grokjax/training/loop",
        "grokjax/checkpoints",
        "experiments/seed_sweep",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.py").touch()
    for package in ("", "model/", "theory/", "training/"):
        (tmp_path / "grokjax" / package / "__init__.py").touch()
    (tmp_path / "experiments/__init__.py").touch()
    assert wrong_arrows(graph(tmp_path)) == []
    planted = tmp_path / "grokjax" / path
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(source)
    assert [complaint in line for line in wrong_arrows(graph(tmp_path))] == [True]


def test_a_planted_circle_is_found():
    assert imported_back(
        {"grokjax.a.x": {"grokjax.a.y"}, "grokjax.a.y": {"grokjax.a.x"}, "grokjax.a.z": {"grokjax.a.y"}}
    ) == ["grokjax.a.x", "grokjax.a.y"]


MOST_LINES, MOST_OF_A_FUNCTION = 250, 45


def test_files_and_functions_stay_small():
    long = []
    for path in [*ROOT.glob("grokjax/**/*.py"), *ROOT.glob("experiments/**/*.py")]:
        source, name = path.read_text(), path.relative_to(ROOT)
        if (lines := len(source.splitlines())) > MOST_LINES:
            long.append(f"{name}: {lines} lines")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= MOST_OF_A_FUNCTION:
                long.append(f"{name}: {node.name} has {node.end_lineno - node.lineno + 1} lines")
    assert not long, long


def test_no_two_test_files_share_a_name():
    """pytest imports them by their names alone, and stops at the second one of a name."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
