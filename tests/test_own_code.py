"""The tutorial's module through Snakemake: what an edit trains again, and that nothing is mixed."""

import json
import re

import pytest
import yaml
from test_workflow import Workflow, jobs

pytestmark = pytest.mark.slow

CONFIG = """
study: small
dataset: {name: "mine:data"}
subsets: {models: 90, evaluation: {subsets: 25, repeats: 2}}
algorithms:
  first: &recipe {model: {name: "mine:model"}, train: {name: "mine:train"}}
  second: {<<: *recipe, preprocess: [{name: blank_border, width: 2}]}
training: {shard: 90, width: 1}
comparison: {pairs: [[first, second]], directions: 3, permutations: 19}
verification: {models: 2}
"""
MARGINS = [f"results/small/{name}/margins.npy" for name in ("first", "second")]


@pytest.fixture(scope="module")
def workflow(repository, tmp_path_factory):
    """A study of the tutorial's module, its models trained once, with few steps each."""
    workflow = Workflow(repository, tmp_path_factory.mktemp("own"))
    text = (repository / "docs/tutorial.md").read_text()
    mine = re.search(r'^```python title="mine.py"\n(.*?)^```$', text, re.S | re.M)[1]
    mine = mine.replace("cross_entropy\n", "cross_entropy\nfrom rates import RATE\n", 1)
    mine = mine.replace("lr=0.01", "lr=RATE").replace("epochs=12", "epochs=1")
    (workflow.folder / "mine.py").write_text(mine)
    (workflow.folder / "rates.py").write_text("RATE = 0.01\n")
    workflow.config = yaml.safe_load(CONFIG)
    code, output = workflow.run(*MARGINS)
    assert code == 0, output
    return workflow


@pytest.fixture
def edit(workflow):
    """Change a file for one test."""
    before = {}

    def change(file, old, new):
        path = workflow.folder / file
        before.setdefault(path, path.read_text())
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    yield change
    for path, text in before.items():
        path.write_text(text)


def test_an_edit_trains_all_models_again_and_says_so(workflow, edit):
    edit("rates.py", "0.01", "0.02")
    code, output = workflow.run("--dry-run", *MARGINS)
    assert code == 0, output
    assert jobs(output)["train"] == 2
    said = "changed since the last run: rates; 180 models of first and second are trained again"
    assert output.count(said) == 1


def test_comments_and_functions_of_no_part_train_nothing(workflow, edit):
    edit(
        "mine.py",
        "def train(",
        "# so many steps\n\n\ndef corner(images, s):\n    return 1\n\n\ndef train(",
    )
    edit("mine.py", "All randomness comes from the seed.", "The seed decides.")
    assert workflow.planned(*MARGINS) == {}


def test_old_and_new_models_are_never_pooled(workflow, edit):
    """The issue's case: recipe changed in the file, more models asked for."""
    old = {p: p.read_bytes() for p in workflow.folder.glob("results/small/*/shards/0-90.npy")}
    assert len(old) == 2
    edit("mine.py", "epochs=1", "epochs=2")
    workflow.config["subsets"]["models"] = 110
    code, output = workflow.run(*MARGINS)
    assert code == 0, output
    assert "180 models of first and second are trained again" in output
    keys = set()
    for name in ("first", "second"):
        shards = sorted(workflow.folder.glob(f"results/small/{name}/shards/*.npy.json"))
        records = {p.name: json.loads(p.read_text()) for p in shards}
        margins = json.loads(workflow.file(f"{name}/margins.npy.json").read_text())
        used = [r for r in records.values() if r["models"] in ([0, 90], [90, 110])]
        assert sum(stop - start for start, stop in (r["models"] for r in used)) == 110
        assert len({r["key"] for r in used}) == 1
        assert {r["data"] for r in used} == {margins["data"]}
        keys |= {r["key"] for r in used}
    assert len(keys) == 2
    assert all(path.read_bytes() != content for path, content in old.items())
