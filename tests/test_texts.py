"""Texts: from files to bytes and back, models of them, phrases, and what is refused."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.func import functional_call, grad, stack_module_state, vmap

from modeldiff import dataset, transformations
from modeldiff.attribution.gradients import influences
from modeldiff.core.errors import UserError
from modeldiff.dataset import Dataset, Images
from modeldiff.dataset.texts import texts
from modeldiff.report.rendering import Renderer
from modeldiff.study import Study, kinds
from modeldiff.study.components import Component
from modeldiff.training import Member, contract, engine
from modeldiff.training.text_models import bag_of_words, transformer, word_hashes

GOOD = ["a good day", "good, good bread", "it was so good", "Good!"]
BAD = ["a bad day", "bad, bad bread", "it was so bad", "Bad!"]
RECIPE = {
    "model": {"name": "bag_of_words", "buckets": 256, "width": 8},
    "optimizer": {"name": "sgd", "lr": 1.0},
    "epochs": 20,
    "batch": 8,
}


def written(folder, many=8, name="texts.jsonl"):
    """A file whose labels follow from one word."""
    lines = []
    for round_number in range(many):
        for label, found in (("good", GOOD), ("bad", BAD)):
            for text in found:
                lines.append(json.dumps({"text": f"{text} {round_number}", "label": label}))
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def config(path, **algorithms):
    return {
        "study": "texts",
        "dataset": {"name": "texts", "path": path, "length": 24},
        "subsets": {"models": 120, "evaluation": {"subsets": 50, "repeats": 1}},
        "algorithms": {"a": RECIPE, "b": RECIPE} | algorithms,
        "comparison": {"pairs": [["a", "b"]], "directions": 2, "examples": 5},
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    study = Study.load(config(written(folder)))
    dataset.prepare(study, folder / "manifest.json")
    return dataset.opened(study, folder / "manifest.json")


def test_texts_are_kept_as_bytes_and_come_back(prepared):
    _, data = prepared
    assert data.kind is kinds.TEXT
    assert data.classes == ("bad", "good")
    assert data.train.images.shape == (48, 24)
    for text, label in zip(kinds.decoded(data.train.images), data.train.labels, strict=True):
        assert ("good" in text.lower()) == (label == 1)


def test_a_letter_that_is_cut_in_two_is_left_out():
    content = kinds.encoded(["ab\N{EURO SIGN}", "", "a\0b"], 4)
    assert content.tolist()[0] == [97, 98, 0xE2, 0x82]
    assert kinds.decoded(content) == ["ab", "", "a b"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: is '{'; must be an object with"),
        ('{"text": "x"}', "must be an object with"),
        ('{"text": 1, "label": "x"}', "text must be text"),
    ],
)
def test_a_line_that_is_no_text_with_a_label_is_one_line(tmp_path, line, said):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "x", "label": 1}\n' + line + "\n")
    with pytest.raises(UserError, match=said):
        texts(path=str(path))


@pytest.mark.parametrize(
    ("name", "options", "strength", "expected"),
    [
        ("insert_phrase", {"phrase": "oh"}, 2, "oh oh a bad, bad day"),
        ("insert_phrase", {"phrase": "oh", "at": "end"}, 1, "a bad, bad day oh"),
        ("replace_phrase", {"phrase": "bad", "by": "good"}, 1, "a good, bad day"),
        ("replace_phrase", {"phrase": "bad", "by": "good"}, 5, "a good, good day"),
        ("delete_phrase", {"phrase": "bad"}, 1, "a , bad day"),
    ],
)
def test_a_phrase_is_put_in_replaced_or_deleted(name, options, strength, expected):
    given = kinds.encoded(["a bad, bad day"], 24)
    part = Component(name, options)
    assert kinds.decoded(transformations.apply(part, given, strength)) == [expected]
    assert kinds.decoded(transformations.apply(part, given, 0)) == ["a bad, bad day"]


@pytest.mark.parametrize(
    ("case", "strength", "expected"),
    [
        ("upper", 2, "A BAD, bad  day"),
        ("lower", 9, "a bad, bad  day"),
        ("title", 3, "A Bad, Bad  day"),
        ("upper", 0, "a BAD, bad  day"),
    ],
)
def test_the_case_of_the_first_words_is_changed(case, strength, expected):
    given = kinds.encoded(["a BAD, bad  day"], 24)
    changed = transformations.apply(Component("change_case", {"case": case}), given, strength)
    assert kinds.decoded(changed) == [expected]


@pytest.mark.parametrize(
    ("text", "strength", "expected"),
    [
        ("It is good.", 1, "It is not good."),
        ("It is good and was dear.", 2, "It is not good and was dear."),
        ("It was. He can sing!", 1, "It was not. He can sing!"),
        ("It was. He can sing!", 2, "It was not. He can not sing!"),
        ("It is not good. We would go.", 1, "It is not good. We would not go."),
        ("I can't and we cannot; this isn't.", 1, "I can't and we cannot; this isn't."),
        ("Is it good in May?", 1, "Is it good in May?"),
        ("Good bread, this island.", 1, "Good bread, this island."),
        ("It is good.", 0, "It is good."),
    ],
)
def test_sentences_are_negated_by_a_simple_rule(text, strength, expected):
    given = kinds.encoded([text], 48)
    assert kinds.decoded(transformations.apply(Component("negate", {}), given, strength)) == [
        expected
    ]


def test_a_phrase_at_the_end_of_a_full_text_takes_the_place_of_its_end():
    given = kinds.encoded(["abcdefgh"], 8)
    part = Component("insert_phrase", {"phrase": "xy", "at": "end"})
    assert kinds.decoded(transformations.apply(part, given, 1)) == ["abcde xy"]


def test_words_are_hashed_without_case_and_what_lies_between():
    given = torch.from_numpy(kinds.encoded(["Two words", "  words, TWO.", "owt sdrow"], 16)).long()
    hashes, there = word_hashes(given)
    found = [set(row[mask].tolist()) for row, mask in zip(hashes, there, strict=True)]
    assert len(found[0]) == 2
    assert found[0] == found[1]
    assert not found[0] & found[2]


@pytest.mark.parametrize("make", [bag_of_words, transformer])
def test_models_of_texts_are_trained_many_at_once_and_padding_does_not_count(make):
    shape = (24,)
    modules = [make(shape, 2) for _ in range(3)]
    assert contract.simple(modules[0])
    given = torch.from_numpy(kinds.encoded([*GOOD, *BAD, ""], 24)).long()
    state, _ = stack_module_state(modules)
    together = vmap(lambda own: functional_call(modules[0], own, (given,)))(state)
    for module, found in zip(modules, together, strict=True):
        torch.testing.assert_close(found, module(given), rtol=1e-4, atol=1e-5)
    assert together.isfinite().all()
    # A longer array of the same texts, and each text alone.
    alone = torch.cat([modules[0](row[None]) for row in given])
    torch.testing.assert_close(alone, modules[0](given), rtol=1e-4, atol=1e-5)

    def first_logit(own, row):
        return functional_call(modules[0], own, (row[None],))[0, 0]

    own = dict(modules[0].named_parameters())
    by_example = vmap(grad(first_logit), in_dims=(None, 0))(own, given[:2])
    modules[0](given[1:2])[0, 0].backward()
    for name, parameter in modules[0].named_parameters():
        expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(by_example[name][1], expected, rtol=1e-3, atol=1e-5)


def test_a_bag_of_words_learns_a_word_and_its_gradients_say_which_texts_hold_it(prepared):
    study, data = prepared
    members = [Member((0, m), np.arange(48), f"model {m}") for m in range(4)]
    (trained,) = engine.train(study.algorithms["a"], data.train, 2, members, width=4)
    assert trained.batched
    assert (trained.logits(data.test.images).argmax(2).numpy() == data.test.labels).all()
    (found, *_) = influences(trained.only(torch.tensor([0])), data.train, data.test)
    same = data.test.labels[:, None] == data.train.labels
    assert found.values.numpy()[same].mean() > 0 > found.values.numpy()[~same].mean()


def test_scikit_learn_is_given_texts_for_its_vectorizers(prepared):
    _, data = prepared
    words = {"name": "sklearn:feature_extraction.text.CountVectorizer"}
    linear = {"name": "sklearn:linear_model.LogisticRegression"}
    model = {"name": "sklearn:pipeline.Pipeline", "steps": [["words", words], ["linear", linear]]}
    study = Study.load(config("texts.jsonl", a={"model": model}))
    (trained,) = engine.train(
        study.algorithms["a"], data.train, 2, [Member((0,), np.arange(48))], width=1
    )
    right = trained.logits(data.test.images)[0].argmax(1).numpy() == data.test.labels
    assert right.all()
    (estimator,) = trained.module.fitted.values()
    assert isinstance(estimator.named_steps["linear"], LogisticRegression)


def test_a_text_is_shown_as_it_is():
    content = kinds.encoded(["<b>short</b>", "long " * 80], 400)
    split = Images(content, np.array([0, 1]))
    none = np.zeros(0, np.int64)
    renderer = Renderer(Dataset(split, split, ("a", "b"), none, none))
    assert renderer.still(content[0], 0) == [["<b>short</b>"]]
    ((long,),) = renderer.still(content[1], 1)
    assert long.endswith("long ...")
    assert len(long) == 243


@pytest.mark.parametrize(
    ("algorithm", "line"),
    [
        (
            {"model": {"name": "mlp"}},
            r"model.name: is 'mlp', which is not for texts; must be bag_of",
        ),
        (
            {"preprocess": [{"name": "standardise"}]},
            r"preprocess.0.name: is 'standardise', which is",
        ),
    ],
)
def test_what_is_not_for_texts_is_one_line(algorithm, line):
    with pytest.raises(UserError, match=line):
        Study.load(config("texts.jsonl", a=RECIPE | algorithm))


class Rows:
    """Stands for a Dataset of `datasets`."""

    def __init__(self, rows, names=()):
        self.rows = rows
        self.column_names = list(rows[0])
        self.features = {name: SimpleNamespace() for name in rows[0]}
        if names:
            self.features["label"].names = names

    def __getitem__(self, column):
        return [row[column] for row in self.rows]


ROWS = [{"id": i, "text": f"text {i}", "label": i % 2} for i in range(8)]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A folder, and what `datasets` loads from it."""
    loaded = {}
    module = SimpleNamespace(
        load_from_disk=lambda path: loaded[Path(path).name], DatasetDict=type("D", (dict,), {})
    )
    monkeypatch.setitem(sys.modules, "datasets", module)
    (tmp_path / "saved").mkdir()
    return str(tmp_path / "saved"), loaded, module


def test_a_folder_of_hugging_face_is_read_with_the_names_of_its_classes(hub):
    path, loaded, _ = hub
    loaded["saved"] = Rows(ROWS, names=["sad", "glad"])
    raw = texts(path=path, test_share=0.25)
    assert raw.classes == ("glad", "sad")
    for split in (raw.train, raw.test):
        for text, label in zip(kinds.decoded(split.images), split.labels, strict=True):
            assert raw.classes[label] == ("glad" if int(text.split()[1]) % 2 else "sad")
    loaded["saved"] = Rows(ROWS)
    assert texts(path=path).classes == ("0", "1")


def test_what_is_no_such_folder_is_one_line(hub, monkeypatch):
    path, loaded, module = hub
    loaded["saved"] = module.DatasetDict(train=Rows(ROWS), test=Rows(ROWS))
    with pytest.raises(UserError, match="holds folders train and test; must be one of these"):
        texts(path=path)
    loaded["saved"] = Rows([{"text": "x", "stars": 1}])
    with pytest.raises(UserError, match="has no column label; its columns are text, stars"):
        texts(path=path)
    loaded["saved"] = Rows([{"text": None, "label": 1}])
    with pytest.raises(UserError, match="row 0: text must be text"):
        texts(path=path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"dataset.path: .*saved: is a folder, .* pip install dat"):
        texts(path=path)


def test_a_folder_by_hugging_face_itself(tmp_path):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["sad", "glad"])
    features = datasets.Features(
        {"id": datasets.Value("int64"), "text": datasets.Value("string"), "label": names}
    )
    rows = datasets.Dataset.from_list(ROWS, features=features)
    path = tmp_path / "saved"
    datasets.DatasetDict(train=rows, test=rows).save_to_disk(path)
    raw = texts(train=f"{path}/train", test=f"{path}/test")
    assert raw.classes == ("glad", "sad")
    assert raw.train.labels.tolist() == [1, 0] * 4
    with pytest.raises(UserError, match="holds folders train and test"):
        texts(path=str(path))
    with pytest.raises(UserError, match=r"must be a file, or a folder that Dataset\.save_to"):
        texts(path=str(tmp_path))


def test_other_rows_in_a_folder_are_another_data_set(tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "data-00000-of-00001.arrow").write_bytes(b"one")
    first = Study.load(config(str(folder))).key("dataset")
    (folder / "cache-1.arrow").write_bytes(b"left by map")
    assert Study.load(config(str(folder))).key("dataset") == first
    (folder / "data-00000-of-00001.arrow").write_bytes(b"two")
    assert Study.load(config(str(folder))).key("dataset") != first
