"""What the user knows of the test images, as attributes of surrogate trees."""

import numpy as np
import pytest
from conftest import small

from modeldiff.baselines import Pool, metadata, surrogate_trees
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset, Images
from modeldiff.study import Study


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a table or a group; returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(text):
        (tmp_path / "known.csv").write_text(text)
        return "known.csv"

    return write


def test_columns_of_numbers_stay_and_each_text_is_an_attribute(written):
    path = written("age,weather,indoors\n3,rain,True\n4.5,sun,False\n2,rain,True\n")
    found = metadata.of_table(path, 3)
    assert {name: values.tolist() for name, values in found.items()} == {
        "metadata age": [3, 4.5, 2],
        "metadata weather rain": [1, 0, 1],
        "metadata weather sun": [0, 1, 0],
        "metadata indoors": [1, 0, 1],
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("age\n3\n", "has 1 rows; must have one for each of the 2 test images, in their order"),
        ("age,b\n3,1\n,1\n", "column age: has nothing for test image 1"),
        ("age\n3\ninf\n", "column age: is not finite"),
        ("", "cannot be read as a CSV file: No columns to parse from file"),
    ],
)
def test_a_wrong_table_is_one_line(written, text, line):
    with pytest.raises(UserError, match=f"^known.csv: {line}"):
        metadata.of_table(written(text), 2)


def test_too_many_texts_are_refused(written):
    texts = "\n".join(f"image-{i}" for i in range(101))
    with pytest.raises(UserError, match="column file: has 101 texts; must be numbers, or at most"):
        metadata.of_table(written(f"file\n{texts}\n"), 101)


def test_a_group_is_an_attribute_of_its_test_images(written):
    path = written("split,example\ntrain,0\ntest,5\ntest,2\ntest,1\n")
    images = Images(np.zeros((8, 1, 2, 2), np.uint8), np.arange(8) % 2)
    data = Dataset(images, images, ("a", "b"), np.array([0, 2, 5]), np.array([1, 3]), "digest")
    found = metadata.of_groups({"odd": path}, data)
    assert list(found) == ["group odd"]
    assert found["group odd"].tolist() == [0, 0, 1, 0, 0, 1, 0, 0]  # 1 is set aside for effects


def test_what_only_the_user_knows_becomes_a_rule():
    random = np.random.default_rng(0)
    n = 200
    images = Images(random.integers(0, 255, (n, 1, 8, 8), dtype=np.uint8), np.zeros(n, int))
    night = random.random(n) < 0.3
    logits = np.zeros((8, n, 2), np.float32)
    logits[:, :, 0] = 1
    logits[4:, night, 1] = 2
    known = {"metadata night": night.astype(float)}
    pool = Pool((), (4, 4), (0, 0), images, ("a", "b"), logits, ("test",), known)
    said = surrogate_trees.rules(pool)
    assert [rule.words for rule in said.rules] == ["metadata night"]
    assert (said.precision, said.recall) == (1, 1)


def test_only_studies_that_use_it_depend_on_it(written, config):
    table = written("age\n3\n")
    config = small(config) | {"baselines": {"methods": ["jst"], "models": 4}}
    before = Study.load(config)
    config["baselines"]["metadata"] = table
    keys = [Study.load(config).key("baselines", "plain", "masked")]
    written("age\n4\n")
    keys.append(Study.load(config).key("baselines", "plain", "masked"))
    assert len({*keys, before.key("baselines", "plain", "masked")}) == 3
    assert Study.load(config).key("full", "plain") == before.key("full", "plain")
    config["baselines"]["methods"] = ["cka"]
    with pytest.raises(UserError, match=r"baselines\.metadata: is used by `jst` alone; add it"):
        Study.load(config)
    config["baselines"] |= {"methods": ["jst"], "metadata": "not-there.csv"}
    with pytest.raises(UserError, match=r"baselines\.metadata: is 'not-there.csv', which is no"):
        Study.load(config)
