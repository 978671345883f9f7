"""Sequences: from files to bytes, a net of them, symbols put in, automata, and what is refused."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from modeldiff import dataset, transformations
from modeldiff.automata import DistinguishingWord, learn, same_language
from modeldiff.automata.learn import Search
from modeldiff.baselines import Pool, step
from modeldiff.baselines.sequence_automata import oracle
from modeldiff.core.errors import UserError
from modeldiff.dataset import Images, Raw, loading
from modeldiff.dataset.sequences import sequences, tomita
from modeldiff.dataset.tomita import in_language
from modeldiff.report import baselines as report_baselines
from modeldiff.report import baselines_section
from modeldiff.report.rendering import Renderer
from modeldiff.study import Study, kinds
from modeldiff.study.components import Component
from modeldiff.study.symbols import coded, marks
from modeldiff.training import Member, contract, engine
from modeldiff.training.sequence_models import recurrent

RECIPE = {
    "model": {"name": "recurrent", "width": 16},
    "optimizer": {"name": "adamw", "lr": 0.03},
    "epochs": 25,
    "batch": 50,
}
IMAGES = RECIPE | {"model": {"name": "mlp"}}
WORDS = {"name": "tomita", "language": 1, "train": 300, "test": 60, "longest": 8}


def config(source, baselines=None, feature=None, **algorithms):
    shown = {"feature": feature | {"class": "yes", "strengths": [1, 2, 3]}} if feature else {}
    content = {
        "study": "sequences",
        "dataset": source,
        "subsets": {"models": 120, "evaluation": {"subsets": 50, "repeats": 1}},
        "algorithms": {"a": RECIPE, "b": RECIPE} | algorithms,
        "comparison": {"pairs": [["a", "b"]], "directions": 2, "examples": 5},
        "verification": {"transformations": shown},
    }
    return content | ({"baselines": {"methods": baselines}} if baselines else {})


def written(folder, entries):
    path = folder / "sequences.jsonl"
    path.write_text("\n".join(map(json.dumps, entries)) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sequences")
    study = Study.load(config(WORDS, feature={"name": "append_symbols", "symbols": "10"}))
    dataset.prepare(study, folder / "manifest.json")
    return dataset.opened(study, folder / "manifest.json")


def test_sequences_are_letters_or_lists_of_symbols_and_come_back(tmp_path):
    rows = [("ba", "x"), (["b", "open", 3], "y"), ([], "x"), ("abab", "y")]
    path = written(tmp_path, [{"sequence": value, "label": label} for value, label in rows])
    raw = sequences(train=path, test=path)
    assert raw.alphabet == ("3", "a", "b", "open")
    assert raw.train.images.dtype == np.uint8
    assert raw.train.images.tolist() == [[3, 2, 0, 0], [3, 4, 1, 0], [0] * 4, [2, 3, 2, 3]]
    shown = [marks(row, raw.alphabet) for row in raw.train.images]
    assert shown == ["b a", "b open 3", "", "a b a b"]
    assert raw.train.labels.tolist() == [0, 1, 0, 1]
    assert sequences(path=path, length=2).train.images.shape[1] == 2


def test_whole_numbers_are_symbols_in_their_order(tmp_path):
    rows = [{"sequence": [10, 2, 9], "label": 0}, {"sequence": [100], "label": 1}]
    assert sequences(path=written(tmp_path, rows)).alphabet == ("2", "9", "10", "100")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"sequence": 7, "label": 1}, "sequence must be text or a list of symbols, label"),
        ({"sequence": [1.5], "label": 1}, "sequence must be text or a list of symbols, label"),
        ({"sequence": "1"}, 'must be an object with "sequence" and "label"'),
        ({"sequence": list(range(300)), "label": 1}, "of 300 different symbols; must be 1 to 255"),
    ],
)
def test_a_line_that_is_no_sequence_with_a_label_is_one_line(tmp_path, entry, said):
    path = written(tmp_path, [{"sequence": "0", "label": 0}, entry])
    with pytest.raises(UserError, match=said):
        sequences(path=path)


def test_tomita_words_are_labelled_by_their_language():
    raw = tomita(language=4, train=200, test=50, longest=9)
    assert len(raw.test.labels) == 50
    lengths = (raw.train.images > 0).sum(1)
    assert lengths.min() == 0
    assert lengths.max() == 9
    for row, label in zip(raw.train.images, raw.train.labels, strict=True):
        assert ("0 0 0" not in marks(row, raw.alphabet)) == (label == 1)


def test_a_data_set_knows_that_it_holds_sequences(prepared):
    study, data = prepared
    assert data.kind is kinds.SEQUENCE
    assert data.alphabet == ("0", "1")
    assert study.transformations["feature"].part.options == {"symbols": [2, 1]}
    row = coded([(0, 1, 1)], 8)[0]
    assert Renderer(data).still(row, 0) == [["0 1 1"]]
    assert data.kind.said("An image, images.") == "A sequence, sequences."


@pytest.mark.parametrize(
    ("row", "alphabet", "said"),
    [
        ([1, 2, 0], ("a", "a"), "alphabet is .* must be a tuple of 1 to 255 different symbols"),
        ([1, 3, 0], ("a", "b"), "sequences hold 3; must be at most 2, the last symbol"),
        ([1, 0, 2], ("a", "b"), "symbols behind a 0; must be padded with 0 at the end only"),
    ],
)
def test_a_source_of_ones_own_is_checked(monkeypatch, row, alphabet, said):
    split = Images(np.array([row, row], np.uint8), np.array([0, 1]))
    raw = Raw(split, split, ("no", "yes"), kind="sequence", alphabet=alphabet)
    monkeypatch.setitem(sys.modules, "own_sequences", SimpleNamespace(source=lambda: raw))
    with pytest.raises(UserError, match=said):
        loading.load(Component("own_sequences:source", {}))


@pytest.mark.parametrize(
    ("name", "options", "strength", "expected"),
    [
        ("append_symbols", {"symbols": [3, 1]}, 1, [1, 2, 1, 3, 1, 0]),
        ("append_symbols", {"symbols": [3, 1]}, 2, [1, 2, 3, 1, 3, 1]),
        ("append_symbols", {"symbols": [3, 1]}, 9, [3, 1, 3, 1, 3, 1]),
        ("insert_symbols", {"symbols": [3]}, 1, [3, 1, 2, 1, 0, 0]),
        ("insert_symbols", {"symbols": [3], "after": 2}, 2, [1, 2, 3, 3, 1, 0]),
        ("insert_symbols", {"symbols": [3], "after": 9}, 1, [1, 2, 1, 3, 0, 0]),
        ("insert_symbols", {"symbols": [3]}, 5, [3, 3, 3, 3, 3, 1]),
    ],
)
def test_symbols_are_appended_or_inserted(name, options, strength, expected):
    given = np.array([[1, 2, 1, 0, 0, 0]], np.uint8)
    part = Component(name, options)
    assert transformations.apply(part, given, strength).tolist() == [expected]
    assert transformations.apply(part, given, 0).tolist() == given.tolist()


def test_the_recurrent_net_is_a_gru_trained_many_at_once_and_padding_does_not_count():
    modules = [recurrent((6,), 2, width=5) for _ in range(3)]
    assert contract.simple(modules[0])
    words = [(0, 1, 2), (1,), (), (2, 2, 0, 1, 1, 0)]
    given = torch.from_numpy(coded(words, 6)).long()
    state, _ = stack_module_state(modules)
    together = vmap(lambda own: functional_call(modules[0], own, (given,)))(state)
    for module, found in zip(modules, together, strict=True):
        peer = torch.nn.GRU(5, 5, batch_first=True)
        peer.load_state_dict(
            {
                "weight_ih_l0": module.inputs.weight,
                "bias_ih_l0": module.inputs.bias,
                "weight_hh_l0": module.recurrent.weight,
                "bias_hh_l0": module.recurrent.bias,
            }
        )
        for word, logits in zip(words, found, strict=True):
            last = torch.zeros(1, 5)
            if word:
                symbols = torch.tensor([word]) + 1
                last = peer(module.symbols(symbols))[1][0]
            torch.testing.assert_close(logits[None], module.last(last), rtol=1e-4, atol=1e-5)


def test_automata_of_trained_nets_are_those_of_the_language(prepared):
    """Language 1, words of 1s alone; nets of `b` are taught that 0 belongs, too."""
    study, data = prepared
    groups = []
    other = data.train._replace(labels=np.where((data.train.images == 2).any(1), 0, 1))
    for number, split in enumerate((data.train, other)):
        members = [Member((number, m), np.arange(300), f"model {m}") for m in range(4)]
        groups += engine.train(study.algorithms["a"], split, 2, members, width=4)
    assert groups[0].batched
    pool = Pool.of(groups[:1], groups[1:], data.test, data.classes, "test")
    pool = Pool(**{**vars(pool), "alphabet": data.alphabet})
    found = pool.automata
    assert found.excess.p_value == pytest.approx(1 / 35)  # of exchanges, no other as far apart
    (first, *_) = found.words
    assert first.p_value == pytest.approx(1 / 35)
    assert first.word in ((0,), (1,))
    assert {first.accepted_a, first.accepted_b} == {0, 4}
    said = learn(oracle(groups[0].only(torch.tensor([0])), 8), Search(symbols=2, longest=8))
    true = learn(lambda words: in_language(1, words), Search(symbols=2, longest=8))
    assert same_language(said.dfa, true.dfa)


def test_distinguishing_words_are_kept_and_shown_as_marks(prepared):
    _, data = prepared
    given = (DistinguishingWord((0, 1, 1), 0, 4, 0.03), DistinguishingWord((), 3, 0, 0.5))
    kept = report_baselines.named_words(step.arrays_of(given))
    none = report_baselines.Baselines((), np.zeros(0, np.int64), (0, 0), (), kept)
    assert baselines_section.words(data, none) == [
        {"word": "0 1 1", "accepted_a": 0, "accepted_b": 4, "p_value": 0.03},
        {"word": "", "accepted_a": 3, "accepted_b": 0, "p_value": 0.5},
    ]
    assert report_baselines.named_words(step.arrays_of(())) == ()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (config(WORDS, a=IMAGES), "not for sequences; must be recur"),
        (
            config({"name": "digits"}, baselines=["automata"], a=IMAGES, b=IMAGES),
            "'automata', which is not for images; must be .* or jst",
        ),
        (
            config(WORDS, a={"model": {"name": "sklearn:linear_model.LogisticRegression"}}),
            "which is not for sequences; must be a torch module",
        ),
        (config(WORDS, feature={"name": "watermark"}), "not for sequences; must be append_symbols"),
    ],
)
def test_what_is_not_for_sequences_is_one_line(content, line):
    with pytest.raises(UserError, match=line):
        Study.load(content)


def test_a_symbol_that_no_sequence_holds_is_one_line(tmp_path):
    study = Study.load(config(WORDS, feature={"name": "insert_symbols", "symbols": "07"}))
    with pytest.raises(UserError, match=r"feature.symbols: holds '7'; must be symbols: 0, 1"):
        dataset.prepare(study, tmp_path / "manifest.json")


def test_automata_of_three_classes_are_one_line(tmp_path):
    rows = [{"sequence": "01"[: i % 2 + 1], "label": i % 3} for i in range(90)]
    source = {"name": "sequences", "path": written(tmp_path, rows)}
    study = Study.load(config(source, baselines=["automata"]))
    with pytest.raises(UserError, match="is automata, which are of two classes, not of 3"):
        dataset.prepare(study, tmp_path / "manifest.json")
