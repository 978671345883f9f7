"""The rooms: nothing imports upwards, and what Snakemake plans with loads no torch."""

import ast
import subprocess
import sys

import pytest

# A room imports from itself and from the rooms before it (CONTRIBUTING.md).
ROOMS = (
    *("core", "study", "transformations", "dataset", "subsets", "margins", "jobs", "training"),
    *("datamodels", "comparison", "attribution", "verification", "proof", "mining", "exchange"),
    *(
        "automata",
        "occlusion",
        "baselines",
        "language_models",
        "unlearning",
        "planning",
        "report",
        "notebook",
        "checkpoints",
        "published",
        "cli",
        "__main__",
    ),
)


def imports(path):
    """The rooms that a file imports from, inside functions, too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "modeldiff":
            yield from (alias.name for alias in node.names if alias.name in ROOMS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modeldiff."):
            yield node.module.split(".")[1]


def test_nothing_imports_upwards(repository):
    package = repository / "modeldiff"
    files = [path for path in package.rglob("*.py") if path != package / "__init__.py"]
    upwards = {
        f"{path.relative_to(package)} -> {room}"
        for path in files
        for room in imports(path)
        if ROOMS.index(room) > ROOMS.index(path.relative_to(package).parts[0].removesuffix(".py"))
    }
    assert upwards == set()
    assert len(files) > 100


@pytest.mark.parametrize(
    "module",
    [
        "modeldiff.study",
        "modeldiff.subsets",
        "modeldiff.jobs.changes",
        "modeldiff.jobs.missing",
        "modeldiff.jobs.sharding",
        "modeldiff.jobs.status",
        "modeldiff.report.names",
        "modeldiff.cli",
    ],
)
def test_planning_loads_neither_torch_nor_scipy_stats(module):
    program = f"import sys, {module}; print({{'torch', 'scipy.stats'}} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout == "set()\n", ended.stderr


@pytest.mark.parametrize(
    ("program", "without"),
    [
        ("import modeldiff.cli", {"pandas", "scipy"}),
        ("import modeldiff.proof.step", {"torch", "scipy.stats"}),
        ("import modeldiff.verification.candidates", {"torch", "scipy.stats"}),
        ("import modeldiff.datamodels.step, modeldiff.mining.step", {"scipy.stats"}),
        # What trains: torch's compiler takes as long to import as torch.
        (
            "import torch; from modeldiff.training import Member, optim\n"
            "from modeldiff.study.components import Component\n"
            "weights = torch.ones(2, requires_grad=True)\n"
            "sgd = optim.optimizer(Component('sgd', {'lr': 1, 'momentum': 0.9}), [weights])\n"
            "sgd.zero_grad(); weights.sum().backward(); sgd.step()",
            {"torch._dynamo"},
        ),
    ],
)
def test_jobs_import_no_more_than_they_need(program, without):
    program += f"\nimport sys; print({without} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout == "set()\n", ended.stderr


def test_contributing_has_a_line_for_every_file(repository):
    package = repository / "modeldiff"
    table = (repository / "CONTRIBUTING.md").read_text()
    files = {p.relative_to(package).as_posix() for p in package.rglob("*.py")}
    listed = {name for name in files if f"| `{name}` |" in table}
    assert {name for name in files - listed if not name.split("/")[-1].startswith("__")} == set()
