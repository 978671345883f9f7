"""Tables: from files to prepared rows, what is done to their columns, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from modeldiff import dataset, transformations
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images, Raw
from modeldiff.dataset.tables import sklearn_table, table
from modeldiff.report.rendering import Renderer
from modeldiff.study import Study, kinds
from modeldiff.study.columns import Column, completed_feature, completed_steps
from modeldiff.study.components import Component
from modeldiff.training import augment, building

RECIPE = {
    "model": {"name": "mlp", "hidden": 4},
    "preprocess": [{"name": "standardise"}],
    "optimizer": {"name": "sgd", "lr": 0.1},
    "epochs": 2,
    "batch": 10,
}
COLUMNS = (Column("age", 40.0, 10.0), Column("colour=blue", 0.5, 0.5), Column("colour=red", 0, 0))


def config(**changed):
    """A study of scikit-learn's breast-cancer table."""
    return {
        "study": "table",
        "dataset": {"name": "sklearn", "table": "breast_cancer"},
        "subsets": {"models": 120, "evaluation": {"subsets": 50, "repeats": 1}},
        "algorithms": {"a": RECIPE, "b": RECIPE},
        "comparison": {"pairs": [["a", "b"]]},
    } | changed


def people(**changed):
    columns = {
        "age": [30, 41.5, 52, 29, 60, 33, 47, 58],
        "member": [True, False, True, True, False, False, True, False],
        "colour": ["red", "blue", "red", "blue", "red", "red", "blue", "blue"],
        "bought": ["yes", "no", "yes", "no", "no", "yes", "no", "yes"],
    }
    return pd.DataFrame(columns | changed)


def written(folder, frame, name="people.csv"):
    path = folder / name
    frame.to_csv(path, index=False)
    return str(path)


def own_table() -> Raw:
    """A table of a user's own."""
    values = np.arange(80, dtype=np.float32).reshape(40, 2)
    labels = np.arange(40) % 2
    split = Images(values, labels)
    return Raw(split, split, ("no", "yes"), kind="table", columns=("first", "second"))


def test_a_file_becomes_numbers_with_a_column_for_each_text(tmp_path):
    raw = table(path=written(tmp_path, people()), label="bought", test_share=0.25)
    assert raw.classes == ("no", "yes")
    assert raw.columns == ("age", "member", "colour=blue", "colour=red")
    both = np.concatenate([raw.train.images, raw.test.images])
    assert both.dtype == np.float32
    assert len(raw.test.labels) == 2
    expected = people()
    ages = expected.age.to_numpy(np.float32)
    for row, label in zip(both, [*raw.train.labels, *raw.test.labels], strict=True):
        of = expected.iloc[int(np.flatnonzero(ages == row[0])[0])]
        assert row.tolist() == [of.age, of.member, of.colour == "blue", of.colour == "red"]
        assert raw.classes[label] == of.bought


def test_two_files_keep_their_rows_and_share_their_columns(tmp_path):
    train = written(tmp_path, people())
    test = written(tmp_path, people()[:3], "test.csv")
    raw = table(train=train, test=test, label="bought")
    np.testing.assert_array_equal(raw.test.images, raw.train.images[:3])


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"age": [None, *range(7)]}, "column age: 1 of 8 values are missing"),
        ({"age": [np.inf, *range(7)]}, "column age: holds numbers that float32 cannot"),
        ({"bought": ["yes"] * 8}, "dataset.label: column bought has 1 different values"),
        ({"colour": [None, *"abcdefg"]}, "column colour: 1 of 8 values are missing"),
    ],
)
def test_a_file_that_is_no_table_of_numbers_and_texts_is_one_line(tmp_path, changed, line):
    with pytest.raises(UserError, match=line):
        table(path=written(tmp_path, people(**changed)), label="bought")


def test_a_label_that_is_no_column_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"dataset.label: is 'sold'; must be a column: age, member"):
        table(path=written(tmp_path, people()), label="sold")


def test_a_table_of_scikit_learn_has_the_sizes_that_the_config_is_checked_against():
    for name in ("breast_cancer", "iris", "wine"):
        raw = sklearn_table(table=name, test_share=0.25)
        known = Study.load(config(dataset={"name": "sklearn", "table": name}))
        known.check_data(len(raw.train.labels), len(raw.test.labels), raw.classes, kinds.TABLE)
        assert set(raw.train.labels) == set(range(len(raw.classes)))


def test_prepared_rows_are_those_of_the_source_and_the_manifest_says_what_they_are(tmp_path):
    study = Study.load(config())
    manifest = tmp_path / "manifest.json"
    dataset.prepare(study, manifest)
    _, data = dataset.opened(study, manifest)
    raw = sklearn_table(table="breast_cancer")
    np.testing.assert_array_equal(data.train.images, raw.train.images)
    assert json.loads(manifest.read_text())["kind"] == "table"
    assert data.kind is kinds.TABLE
    assert [column.name for column in data.columns] == list(raw.columns)
    means = [column.mean for column in data.columns]
    np.testing.assert_allclose(means, raw.train.images.astype(float).mean(0))


def test_the_plant_sets_a_column_and_its_statistics_count(tmp_path):
    plant = {
        "feature": "set_column",
        "options": {"column": "worst area", "value": -7.0},
        "class": "benign",
        "train": 12,
    }
    changed = config()
    changed["dataset"] = changed["dataset"] | {"plant": plant}
    study = Study.load(changed)
    dataset.prepare(study, tmp_path / "manifest.json")
    _, data = dataset.opened(study, tmp_path / "manifest.json")
    place = [column.name for column in data.columns].index("worst area")
    assert np.flatnonzero(data.train.images[:, place] == -7).tolist() == data.planted.tolist()
    assert len(data.planted) == 12
    assert (data.train.labels[data.planted] == data.classes.index("benign")).all()
    mean = data.train.images[:, place].astype(float).mean()
    assert data.columns[place].mean == pytest.approx(mean)


def test_steps_find_their_columns_by_name_and_follow_one_another():
    steps = [Component("drop_columns", {"columns": ["colour"]}), Component("standardise", {})]
    first, second = completed_steps(steps, COLUMNS, "preprocess")
    assert first.options == {"columns": [1, 2]}
    rows = torch.tensor([[50.0, 1.0, 0.0]])
    left = augment.drop_columns(rows, **first.options)
    assert augment.standardise(left, **second.options).tolist() == [[1.0]]


def test_a_column_that_never_varies_is_only_centred():
    (step,) = completed_steps([Component("standardise", {})], COLUMNS, "preprocess")
    assert augment.standardise(torch.tensor([[40.0, 0.5, 3.0]]), **step.options).tolist() == [
        [0, 0, 3]
    ]


@pytest.mark.parametrize(
    ("entry", "strength", "expected"),
    [
        ({"name": "set_column", "column": "age", "value": 20.0}, 0.5, [40.0, 1.0]),
        ({"name": "set_column", "column": "age", "value": 20.0}, 3.0, [20.0, 1.0]),
        ({"name": "shift_column", "column": "age", "down": False}, 2.0, [80.0, 1.0]),
        ({"name": "shift_column", "column": "age", "down": True}, 0.5, [55.0, 1.0]),
    ],
)
def test_a_column_is_set_or_shifted(entry, strength, expected):
    part = completed_feature(Component.of(entry), COLUMNS[:2], np.zeros((1, 2)), "here")
    rows = np.array([[60.0, 1.0]], np.float32)
    assert transformations.apply(part, rows, strength).tolist() == [expected]
    assert transformations.apply(part, rows, 0.0).tolist() == rows.tolist()


def test_a_value_is_replaced_by_the_median_of_its_bin():
    training = np.array([[age, 0] for age in (1, 2, 3, 10, 20, 30, 400)], np.float32)
    part = Component("bin_column", {"column": "age", "bins": 2})
    part = completed_feature(part, COLUMNS[:2], training, "here")
    rows = np.array([[-5, 7], [9, 7], [10, 7], [1000, 7]], np.float32)
    assert transformations.apply(part, rows, 1.0).tolist() == [[2.5, 7], [2.5, 7], [25, 7], [25, 7]]
    assert transformations.apply(part, rows, 0.5)[3].tolist() == [512.5, 7]
    assert transformations.apply(part, rows, 0.0).tolist() == rows.tolist()


def test_a_planted_feature_has_bins_without_saying_how_many():
    values = np.arange(8, dtype=np.float32)[:, None]
    part = completed_feature(Component("bin_column", {"column": "age"}), COLUMNS[:1], values, "")
    assert sorted({*transformations.apply(part, values, 1.0)[:, 0].tolist()}) == [
        *(0.875, 2.625, 4.375, 6.125),
    ]


def test_a_column_that_there_is_not_is_one_line():
    with pytest.raises(UserError, match="here: is 'size'; must be a column: age, colour=blue"):
        completed_feature(
            Component("set_column", {"column": "size"}), COLUMNS, np.zeros((1, 3)), "here"
        )


def test_a_row_shows_the_columns_that_are_far_from_its_class():
    values = np.array([[0, 0, 0], [2, 10, 0], [9, 9, 9], [9, 9, 9]], np.float32)
    split = Images(values, np.array([0, 0, 1, 1]))
    columns = tuple(Column(name, 0.0, 3.0) for name in ("x", "y", "<b>"))
    test = np.zeros(0, np.int64)
    data = dataset.Dataset(split, split, ("a", "b"), test, test, columns=columns)
    cells = Renderer(data).cells(np.array([1, 20, 3], np.float32), 0)
    assert cells == [["y", "20", "+3.0 sd"], ["<b>", "3", "+1.0 sd"], ["x", "1", "+0.0 sd"]]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"model": {"name": "convnet"}}, "algorithms.a.model.name: is 'convnet', which is not for"),
        ({"preprocess": [{"name": "resize", "size": 4}]}, "preprocess.0.name: is 'resize'"),
        ({"augment": [{"name": "flip"}]}, "algorithms.a.augment: is for images only"),
        ({"flip_average": True}, "algorithms.a.flip_average: is for images only"),
    ],
)
def test_what_is_for_images_only_is_one_line(changed, line):
    with pytest.raises(UserError, match=line):
        Study.load(config(algorithms={"a": RECIPE | changed, "b": RECIPE}))


def test_what_is_for_tables_only_is_one_line():
    with pytest.raises(UserError, match=r"preprocess.0.name: is 'standardise', which is not"):
        Study.load(config(dataset={"name": "digits"}))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"name": "table", "label": "x"}, "dataset.train: is missing; or `path`"),
        ({"name": "table", "label": "x", "path": "a.csv", "test": "b.csv"}, "dataset.test: is not"),
        (
            {
                "name": "sklearn",
                "table": "wine",
                "plant": {"feature": "set_column", "class": "class_0"},
            },
            r"dataset.plant.options.column: is missing",
        ),
    ],
)
def test_keys_of_tables_that_do_not_fit_are_one_line(given, line):
    with pytest.raises(UserError, match=line):
        Study.load(config(dataset=given))


def test_a_table_of_ones_own_is_checked_like_those_that_come_with_modeldiff(tmp_path):
    own = {"name": "tests.test_tables:own_table"}
    study = Study.load(config(dataset=own, algorithms={"a": RECIPE, "b": RECIPE | {"batch": 5}}))
    dataset.prepare(study, tmp_path / "manifest.json")
    study, data = dataset.opened(study, tmp_path / "manifest.json")
    assert [column.name for column in data.columns] == ["first", "second"]
    module = building.architecture(study.algorithms["a"], (2,), 2)
    assert module(torch.zeros(3, 2)).shape == (3, 2)
    flipped = config(dataset=own, algorithms={"a": RECIPE | {"flip_average": True}, "b": RECIPE})
    with pytest.raises(UserError, match=r"algorithms.a.flip_average: is for images only"):
        dataset.prepare(Study.load(flipped), tmp_path / "other.json")


def test_the_words_of_a_kind():
    said = kinds.TABLE.said("Test images, <image x=1>, an image; imagery")
    assert said == "Test rows, <image x=1>, a row; imagery"
    assert kinds.IMAGE.said("an image") == "an image"
