"""The report: its contract, its score, its figures, its costs."""

import dataclasses
import json
import math
import re
import shutil

import numpy as np
import pytest

from modeldiff import __version__, comparison, report
from modeldiff.core.errors import CorruptArtifact
from modeldiff.datamodels import step
from modeldiff.jobs import sharding
from modeldiff.report import names, page, provenance, results, summary, terminal
from modeldiff.study import Study

pytest_plugins = ["report_fixtures"]
NUMBER = (int, float)


def test_summary_is_the_contract(study_json):
    content = json.loads((study_json.parent / "summary.json").read_text())
    first = ["study", "version", "algorithms", "comparisons"]
    assert list(content) == [*first, "maps", "proofs", "mined", "baselines", "effects", "planted"]
    assert content["proofs"] == content["mined"] == []  # none were asked for
    assert (content["study"], content["version"]) == ("small", __version__)
    assert list(content["algorithms"]) == ["plain", "masked"]
    for algorithm in content["algorithms"].values():
        assert list(algorithm) == ["models", "failed", "missing", "accuracy", "lds", "full_data"]
        assert algorithm["full_data"]["models"] == 4
        assert list(algorithm["full_data"]["accuracy"]) == ["mean", "sd"]
        assert algorithm["models"] == 120
        assert list(algorithm["accuracy"]) == ["mean", "sd"]
        assert list(algorithm["lds"]) == ["mean", "low", "high", "ceiling", "silent"]
        assert all(isinstance(x, NUMBER) for x in algorithm["lds"].values())
    assert [c["way"] for c in content["comparisons"]] == ["a-minus-b", "b-minus-a"]
    for way in content["comparisons"]:
        assert list(way) == ["a", "b", "way", "directions", "agreement", "exchanges"]
        assert way["exchanges"] == 19
        agreement = way["agreement"]
        assert list(agreement) == ["value", "low", "high", "p_value", "differ"]
        # Of 70 models nothing is sure: unknown, and so are the ends of the interval.
        assert [agreement[k] for k in ("value", "low", "high")] == [None] * 3
        assert (way["a"], way["b"]) == ("plain", "masked")
        assert [d["rank"] for d in way["directions"]] == list(range(1, 11))
        for d in way["directions"]:
            keys = ["rank", "variance_a", "variance_b", "interval_a", "interval_b"]
            keys += ["reach_a", "reach_b"]
            keys += ["train_examples", "test_examples", "p_value", "significant"]
            keys += ["tested", "second_follows"]
            assert list(d) == keys
            assert all(low <= high for low, high in (d["interval_a"], d["interval_b"]))
            assert all(a <= b <= c for b, a, c in (d["reach_a"], d["reach_b"]))
            assert d["significant"] is (d["p_value"] <= 0.05)
            assert all(type(i) is int for k in keys[7:9] for i in d[k])
    (table,) = content["maps"]
    assert (table["a"], table["b"]) == ("plain", "masked")
    assert len(table["cells"]) == 10 * 10
    shares = [cell["share"] for cell in table["cells"]]
    assert shares == sorted(shares, reverse=True)
    keys = [
        "test_class",
        "train_class",
        "share",
        "low",
        "high",
        "agreement",
        "p_value",
        "significant",
    ]
    assert all(list(cell) == keys for cell in table["cells"])
    keys = ["transformation", "strength", "class", "algorithm", "effect", "low", "high"]
    assert len(content["effects"]) == 2 * 4
    assert all(list(e) == keys and e["low"] <= e["effect"] <= e["high"] for e in content["effects"])
    keys = ["train_examples", "test_examples", "train_ap", "test_ap", "rank"]
    assert list(content["planted"]) == keys


def test_same_study_same_bytes(study_json, tmp_path):
    folder = shutil.copytree(study_json.parent, tmp_path / "again")
    files = ["summary.json", "figures/reach-plain-vs-masked.svg"]
    files += ["figures/direction-plain-vs-masked-a-minus-b-01.png"]
    before = [(folder / f).read_bytes() for f in files]
    report.write(folder / "study.json")
    assert [(folder / f).read_bytes() for f in files] == before
    assert str(tmp_path) not in before[0].decode()


def precision(positive: set[int], scores: np.ndarray) -> float:
    """Average precision by its definition: mean over hits of the precision at that hit."""
    ranked = sorted(range(len(scores)), key=lambda i: -scores[i])
    hits = [k + 1 for k, i in enumerate(ranked) if i in positive]
    return sum((n + 1) / k for n, k in enumerate(hits)) / len(hits)


def test_planted_score(study_json, loaded):
    content = json.loads((study_json.parent / "summary.json").read_text())["planted"]
    manifest = json.loads((study_json.parent / "dataset/manifest.json").read_text())
    assert content["train_examples"] == manifest["planted"]["train_examples"]
    with np.load(study_json.parent / "plain-vs-masked/comparison.npz") as arrays:
        directions = arrays["a-minus-b.directions"]
        projections = arrays["a-minus-b.projections"]
    scores = [precision(set(content["train_examples"]), v) for v in directions[:2]]
    best = int(np.argmax(scores))
    assert content["rank"] == best + 1
    assert content["train_ap"] == pytest.approx(scores[best])
    rows = {
        manifest["targets"].index(i) for i in content["test_examples"] if i in manifest["targets"]
    }
    assert content["test_ap"] == pytest.approx(precision(rows, projections[:, best]))


def test_numbers_are_those_of_the_artifacts(study_json, loaded):
    plain, pair = loaded.algorithms["plain"], loaded.pairs[0]
    rows = np.load(study_json.parent / "plain/margins.npy")
    np.testing.assert_allclose(plain.accuracy, (rows > 0).mean(1))
    a, b = (
        step.read(study_json.parent / n / "datamodels.npz", loaded.study.key("datamodels", n))
        for n in ("plain", "masked")
    )
    norms = np.linalg.norm(a.weights, axis=1) * np.linalg.norm(b.weights, axis=1)
    cosines = (a.weights * b.weights).sum(1) / norms
    np.testing.assert_allclose(pair.cosines, cosines, atol=1e-5)
    assert [way.first for way in pair.ways] == ["plain", "masked"]


def test_accuracy_in_blocks_leaves_failed_models_out(monkeypatch):
    rows = np.array([[1.0, -1], [np.nan, np.nan], [1, 1], [-1, -1], [2, 0]], np.float32)
    monkeypatch.setattr(results, "BLOCK", 4)
    of_models, of_targets = results.shares_above(rows)
    np.testing.assert_equal(of_models, [0.5, np.nan, 1, 0, 0.5])
    np.testing.assert_equal(of_targets, [0.75, 0.25])


def test_what_does_not_exist_is_null(loaded):
    plain = loaded.algorithms["plain"]
    nothing = dataclasses.replace(
        plain,
        accuracy=np.full(120, np.nan),
        failed={str(i): "diverged" for i in range(120)},
        lds=dataclasses.replace(plain.lds, ceiling=math.nan),
    )
    bare = dataclasses.replace(loaded, algorithms={"plain": nothing, "masked": nothing})
    whole = summary.summarise(bare)
    content = whole["algorithms"]["plain"]
    assert content["accuracy"] == {"mean": None, "sd": None}
    assert content["lds"]["ceiling"] is None
    assert content["failed"] == 120
    text = page.render(bare, json.loads(summary.text(whole)))
    assert "120 of 120 subset models" in text
    assert "and 100 more" in text


def test_a_study_without_features_is_said_to_be_unverified(loaded):
    pair = loaded.pairs[0]
    bare = dataclasses.replace(
        loaded,
        study=dataclasses.replace(loaded.study, transformations={}),
        pairs=(dataclasses.replace(pair, effects=pair.effects[:0]),),
        planted=None,
    )
    content = summary.summarise(bare)
    assert (content["effects"], content["planted"]) == ([], None)
    text = page.render(bare, content)
    assert "No feature was tested" in text
    assert "planted" not in text.split("<script")[0]


def test_damaged_results_are_named_and_nothing_is_written(study_json, tmp_path):
    folder = shutil.copytree(study_json.parent, tmp_path / "damaged")
    for name in ("summary.json", "report.html"):
        (folder / name).unlink()
    with open(folder / "masked/lds.npz", "r+b") as file:
        file.truncate(100)
    with pytest.raises(CorruptArtifact, match=r"masked/lds\.npz: .* truncated"):
        report.write(folder / "study.json")
    assert not (folder / "summary.json").exists()
    assert not (folder / "report.html").exists()


def test_found_says_it_in_a_few_lines(study_json):
    lines = terminal.lines(study_json.parent / "summary.json").splitlines()
    assert len(lines) == 8
    assert re.match(r"plain: right on [\d.]+% of the test images, 120 models, LDS ", lines[0])
    assert lines[2].startswith("plain and masked are not shown to differ in how they use the ")
    assert "planted examples: at direction" in lines[4]
    assert "watermark at strength 1 moves plain towards 3 by +" in lines[5]
    assert lines[-1] == f"report: {study_json.parent / 'report.html'}"


def test_figures_are_those_the_rule_declares(study_json, loaded):
    written = {f.name for f in (study_json.parent / "figures").iterdir() if f.suffix != ".json"}
    assert {figure.path for figure in names.figures(loaded.study)} == written
    assert len(written) == 1 + 1 + 2 + 20
    assert names.WAYS == comparison.WAYS


def test_the_cost_counts_every_trained_algorithm(loaded, tmp_path):
    algorithms = loaded.study.config["algorithms"]
    config = loaded.study.config | {"algorithms": algorithms | {"between": algorithms["plain"]}}
    study = Study.of(config, {})
    assert (study.trained, study.compared) == (("plain", "masked", "between"), ("plain", "masked"))
    for name in study.trained:
        for r in sharding.cut(study, "full", (name,), loaded.folder):
            path = tmp_path / f"benchmarks/full/{name}-{r.start}-{r.stop}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("s\tmax_rss\n2.0\t100\n")
    for room in ("calibrate", "grams", "scores"):  # plain had scores once, and has none now
        (tmp_path / f"benchmarks/{room}").mkdir()
        (tmp_path / f"benchmarks/{room}/plain.tsv").write_text("s\tmax_rss\n1.0\t-\n")
    changed = dataclasses.replace(loaded, folder=tmp_path, study=study)
    jobs = {room.name: room.jobs for room in provenance.rooms(changed)}
    assert jobs == {"calibrate": 1, "full": 3, "grams": 1}
