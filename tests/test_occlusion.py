"""Occlusion: examples without their pieces, which pieces are marked, and where marks are shown."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
import report_studies
import torch

from modeldiff.core.errors import CorruptArtifact
from modeldiff.dataset import Dataset, Images
from modeldiff.occlusion import Mark, Piece, Pieces, marks, read
from modeldiff.occlusion.pieces import MOST
from modeldiff.report import page, results, summary
from modeldiff.report.marked import highlights
from modeldiff.report.rendering import LETTERS, Highlight, Renderer
from modeldiff.study import Study, kinds
from modeldiff.study.columns import Column

NONE = np.zeros(0, np.int64)
PHRASE = "<b>zebra</b>"


def held(examples, labels, **said):
    """A data set of these training examples."""
    split = Images(examples, np.array(labels))
    return Dataset(split, split, ("no", "yes"), NONE, NONE, **said)


def of_texts(*texts, length=64):
    return held(kinds.encoded(texts, length), [0] * len(texts))


def test_a_text_without_each_of_its_words():
    data = of_texts(" So \N{EURO SIGN}5,  or not? ")
    pieces, without = Pieces(data).without_each(data.train.images[0], 0)
    text = kinds.decoded(data.train.images)[0]
    assert [text[start:stop] for start, stop in pieces] == ["So", "\N{EURO SIGN}5,", "or", "not?"]
    assert kinds.decoded(without) == [
        *(" \N{EURO SIGN}5,  or not? ", " So or not? ", " So \N{EURO SIGN}5,  not? "),
        " So \N{EURO SIGN}5,  or ",
    ]


def test_a_long_text_is_cut_into_stretches_of_words():
    text = " ".join(map(str, range(100, 200)))
    data = of_texts(text, length=400)
    pieces, without = Pieces(data).without_each(data.train.images[0], 0)
    assert len(pieces) == len(without) == MOST
    assert " ".join(text[start:stop] for start, stop in pieces) == text


@pytest.mark.parametrize("text", ["", "   "])
def test_a_text_without_words_has_no_pieces(text):
    data = of_texts(text)
    pieces, without = Pieces(data).without_each(data.train.images[0], 0)
    assert pieces == []
    assert without.shape == (0, 64)


def test_a_sequence_without_each_of_its_symbols():
    data = held(np.array([[1, 2, 2, 0]], np.uint8), [0], alphabet=("x", "y"))
    pieces, without = Pieces(data).without_each(data.train.images[0], 0)
    assert pieces == [(0, 1), (1, 2), (2, 3)]
    assert without.tolist() == [[2, 2, 0, 0], [1, 2, 0, 0], [1, 2, 0, 0]]


def test_a_row_with_the_median_of_its_class_in_each_column():
    rows = np.array([[0, 5, 1], [2, 5, 1], [4, 5, 2], [90, 90, 90]], np.float32)
    columns = tuple(Column(name, 0.0, sd) for name, sd in (("x", 1.0), ("y", 1.0), ("z", 0.1)))
    data = held(rows, [0, 0, 0, 1], columns=columns)
    pieces, without = Pieces(data).without_each(np.array([3, 5, 7], np.float32), 0)
    assert pieces == [(2, 3), (0, 1)]  # the furthest first; y is the median already
    assert without.tolist() == [[3, 5, 1], [2, 5, 7]]


@dataclass(frozen=True)
class Readers:
    """Models of texts that give class 1 a logit for the word zebra, each its own."""

    logits_of_zebra: list[float]

    def logits(self, texts):
        seen = torch.tensor(["zebra" in text for text in kinds.decoded(texts)]).float()
        logit = torch.tensor(self.logits_of_zebra)[:, None] * seen
        return torch.stack([torch.zeros_like(logit), logit], 2)


SEES = Readers([2.0, 2.1, 1.9, 2.2])
BLIND = Readers([0.0, 0.1, -0.1, 0.05])


def marked(*sides, text="the zebra sits"):
    data = of_texts(text)
    given = data.train.images[0], 1
    return marks([[side] for side in sides], Pieces(data), *given, "log_odds")


def test_the_word_that_only_one_recipe_sees_is_marked():
    (mark,) = marked(SEES, BLIND)
    assert mark.piece == (4, 9)
    assert (mark.a, mark.b) == pytest.approx((2.05, 0.0125))


def test_what_both_see_or_none_surely_sees_is_not_marked():
    assert marked(SEES, SEES) == []
    assert marked(Readers([4.0, -3.0, 2.0, -1.0]), BLIND) == []
    assert marked(Readers([2.0]), BLIND) == []
    assert marked(SEES, BLIND, text="") == []


def test_models_that_do_not_vary_mark_any_difference_but_rounding():
    assert [mark.piece for mark in marked(Readers([0.5, 0.5]), Readers([0.2, 0.2]))] == [(4, 9)]
    assert marked(Readers([0.5, 0.5]), Readers([0.50001, 0.50001])) == []


def test_models_whose_outputs_are_not_finite_do_not_count():
    (mark,) = marked(Readers([*SEES.logits_of_zebra, float("nan")]), BLIND)
    assert mark.a == pytest.approx(2.05)


def highlight(start, stop):
    return Highlight(Piece(start, stop), "a", "why")


def mark_of(text):
    return {"text": text, "side": "a", "about": "why"}


def test_a_text_is_shown_around_what_is_marked():
    data = of_texts("zebra <i>early</i>", "x" * 400 + " zebra late", length=500)
    renderer = Renderer(data)
    early = renderer.still(data.train.images[0], 0, marked=[highlight(0, 5)])
    assert early == [[[mark_of("zebra"), " <i>early</i>"]]]
    late = renderer.still(data.train.images[1], 0, marked=[highlight(401, 406)])
    (((dots, before, zebra, after),),) = late
    assert (dots, zebra, after) == ("...", mark_of("zebra"), " late")
    assert len(before) + len("zebra late") == LETTERS


def test_marked_symbols_and_columns_are_shown():
    data = held(np.array([[1, 2, 2, 0]], np.uint8), [0], alphabet=("ab", "c"))
    cells = Renderer(data).still(data.train.images[0], 0, marked=[highlight(2, 3)])
    assert cells == [[["ab c ", mark_of("c")]]]
    columns = tuple(Column(name, 0.0, 1.0) for name in "uvwxy")
    data = held(np.eye(5, dtype=np.float32), [0, 0, 0, 0, 1], columns=columns)
    row = np.array([9, 8, 7, 6, 0], np.float32)
    cells = Renderer(data).still(row, 0, marked=[highlight(3, 4)])
    assert [cell[0] for cell in cells] == [[mark_of("x")], "u", "v", "w"]


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study of texts with all its results: a phrase on six, which one recipe never sees."""
    folder = tmp_path_factory.mktemp("occlusion")
    words = {"good": ["a good day", "so good"], "bad": ["a bad day", "so bad"]}
    lines = []
    for number in range(16):
        for label, texts in words.items():
            lines += [json.dumps({"text": f"{text} {number}", "label": label}) for text in texts]
    path = folder / "texts.jsonl"
    path.write_text("\n".join(lines))
    steps = [
        ["words", {"name": "sklearn:feature_extraction.text.CountVectorizer"}],
        ["linear", {"name": "sklearn:linear_model.LogisticRegression"}],
    ]
    recipe = {"model": {"name": "sklearn:pipeline.Pipeline", "steps": steps}}
    phrase = {"name": "insert_phrase", "phrase": PHRASE}
    plant = {"feature": phrase["name"], "options": {"phrase": PHRASE}, "class": "good", "train": 6}
    config = {
        "study": "texts",
        "dataset": {"name": "texts", "path": str(path), "length": 40, "plant": plant},
        "subsets": {"models": 70, "evaluation": {"subsets": 50, "repeats": 1}},
        "algorithms": {"sees": recipe, "never": recipe | {"without": "planted"}},
        "comparison": {
            "pairs": [["sees", "never"]],
            "method": "residual",
            "directions": 1,
            "examples": 12,
        },
        "verification": {
            "models": 3,
            "transformations": {"phrase": phrase | {"class": "good", "strengths": [1, 2, 3]}},
        },
    }
    return results.read(report_studies.build(config, folder))


def test_the_planted_phrase_is_marked_in_the_summary_and_on_the_page(studied):
    said = summary.summarise(studied)
    planted = set(said["planted"]["train_examples"])
    found = {
        entry["example"]: entry["marked"][0]
        for entry in said["marks"]
        if entry["split"] == "train" and entry["example"] in planted
    }
    assert len(found) >= 5
    assert {piece["word"] for piece in found.values()} == {PHRASE}
    assert {piece["start"] for piece in found.values()} == {0}
    assert all(piece["fall_a"] > 0.5 and piece["fall_b"] == 0 for piece in found.values())
    html = page.render(studied, said)
    assert f'title="without it the margin changes by -{found[min(found)]["fall_a"]:.2f}' in html
    assert PHRASE not in html
    assert "A marked word sets the two apart on its text" in html
    assert "A marked word moves one recipe further than the other when it is left out" in html


def test_marks_have_the_colour_of_the_recipe_that_they_move_further(studied):
    (pair,) = studied.pairs
    turned = replace(pair, marks={("train", 0): (Mark(Piece(0, 1), 0.1, -2.0),)})
    (one,) = highlights(turned, studied.data, "train", 0)
    assert one.side == "b"
    assert one.about.endswith("-0.10 under sees and by +2.00 under never")


def test_marks_of_other_settings_or_damaged_are_refused(studied, tmp_path):
    study = studied.study
    path = studied.folder / "sees-vs-never/occlusion.npz"
    assert read(study, ("sees", "never"), path) == studied.pairs[0].marks
    with pytest.raises(CorruptArtifact, match="was made from other settings"):
        read(study, ("never", "sees"), path)


def test_images_and_recipes_without_several_models_get_no_marks(study, studied):
    assert study.shown  # models there are
    assert study.occluded == ()
    config = studied.study.config
    assert studied.study.occluded == (("sees", "never"),)
    plain = Study.load(config | {"verification": {}})
    assert plain.occluded == ()
