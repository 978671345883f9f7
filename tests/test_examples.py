"""Every example runs as a reader runs it, and finds what is known to be there."""

import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.slow

FOUND = {
    "planted_digits": [
        r"direction 1 \(p = 0\.01\): 1[0-2] of 12 images at an end are planted",
        r'the corner moves plain towards "3" by \+[3-9]\d\.\d points',
        r'the corner moves masked towards "3" by \+0\.0 points',
    ],
    "score_files": [
        re.escape(f"training examples of direction 1: {list(range(100, 110))}"),
        re.escape(f"targets of direction 1: {list(range(40, 55))}"),
    ],
    "own_estimator": [r"own_estimator:few: LDS 0\.\d\d \[.*\] of at most 0\.\d\d"],
    "sklearn_models": [
        r"seeing - blind: 1 of 3 directions stand out from chance; agreement .*, they differ .*"
    ],
    "torch_datasets": [
        r"plain - blank: 1 of 3 directions stand out from chance; agreement .*, they differ .*"
    ],
    "timm_checkpoints": [
        r"seeing - blind: accuracy .*; 2 differences proposed by gradients, none proved",
        r"proposal 1 names 1[0-2] of 12 planted images",
    ],
    "huggingface_data": [
        "1200 training images of 10 classes",
        "the same as digits: True",
    ],
    "library_texts": [r"library_texts\.jsonl: 1200 texts, for example \{'text': .*\}"],
    "library_functions": [r"library_functions\.jsonl: 600 texts, for example \{'text': .*\}"],
    "contrast_arrays": [
        r"A and B: direction 1 \(p = 0\.01\), training examples \[3, 14, 15, 35, 65, 92\]",
        r"B and B again: no difference found \(p = .*\)",
    ],
    "read_summary": [
        r"a-minus-b: the two differ, agreement 0\.56",
        r"a-minus-b: directions that stand out: none",
        r"truck moves low_noise by \+3\.6 points \[3\.0, 4\.1\]",
    ],
}
NEEDS = {"timm_checkpoints": "timm", "huggingface_data": "datasets"}
# torchvision, which timm imports, does not load beside every build of torch.
RUN = "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
OPEN_DOOR = "from modeldiff.core.vision import torchvision; torchvision(); "


def lines(repository, name, folder) -> list[str]:
    """What the example prints, run from elsewhere."""
    script = repository / "examples" / f"{name}.py"
    command = [sys.executable, str(script)]
    if NEEDS.get(name) == "timm":
        command = [sys.executable, "-c", OPEN_DOOR + RUN, str(script)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.mark.parametrize("name", FOUND)
def test_an_example_finds_what_is_there(repository, name, tmp_path):
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed: pip install {NEEDS[name]}")
    printed = lines(repository, name, tmp_path)
    for pattern in FOUND[name]:
        assert any(re.fullmatch(pattern, line) for line in printed), "\n".join(printed)
    if name == "sklearn_models":
        assert "data:image/png" in (tmp_path / "sklearn.html").read_text()
    if name == "own_estimator":
        scores = dict(re.findall(r"^(\S+): LDS (\S+)", "\n".join(printed), re.M))
        assert float(scores["own_estimator:few"]) > float(scores["ridge"]) + 0.03


def test_every_example_is_short_listed_and_checked(repository):
    folder = repository / "examples"
    listed = (folder / "README.md").read_text()
    assert {path.stem for path in folder.glob("*.py")} == set(FOUND)
    for path in folder.glob("*.py"):
        assert f"]({path.name})" in listed
        assert len(path.read_text().splitlines()) < 60
