"""Baselines as a stage: its table, what page and summary say of it, what is refused."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from conftest import small

from modeldiff.baselines import exchange
from modeldiff.cli import main
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.proof.effect import holm
from modeldiff.report import baselines_section, page, summary
from modeldiff.study import Study

pytest_plugins = ["report_fixtures"]


def test_the_table_is_what_the_predictions_give(loaded):
    table = pd.read_csv(loaded.folder / "plain-vs-masked/baselines.csv", index_col="measure")
    assert list(table.index) == ["churn", "error consistency", "Jensen-Shannon", "CKA"]
    looked_at = loaded.pairs[0].baselines.looked_at
    np.testing.assert_array_equal(looked_at, np.sort(loaded.data.targets))
    predicted = []
    for name in ("plain", "masked"):
        predicted.append(loaded.predictions[name].predicted[:, looked_at])
    rows = np.concatenate(predicted)
    distances = (rows[:, None] != rows[None]).mean(2)
    found = exchange(distances, (4, 4))
    churn = table.loc["churn"]
    assert churn.excess == pytest.approx(found.value)
    assert churn.p_value == found.p_value  # of all 70 exchanges
    assert churn[["models_a", "models_b", "images"]].tolist() == [4, 4, len(looked_at)]
    np.testing.assert_allclose(table.adjusted, holm(table.p_value.to_numpy()))


def test_the_summary_and_the_page_say_it(loaded):
    content = summary.summarise(loaded)
    first = content["baselines"][0]
    row = loaded.pairs[0].baselines.measured[0].row
    assert (first["a"], first["b"], first["measure"]) == ("plain", "masked", "churn")
    assert first["excess"] == row["excess"]
    assert first["test_examples"] == loaded.pairs[0].baselines.measured[0].named.tolist()
    assert content["baselines"][1]["test_examples"] is None
    json.dumps(content, allow_nan=False)
    html = page.render(loaded, content)
    section = html.split('<section id="baselines"')[1].split("</section>")[0]
    assert "4 models of plain and 4 of masked" in section
    for name in ("churn", "error consistency", "Jensen-Shannon", "CKA"):
        assert f'<th scope="row">{name}<br>' in section
    without = dataclasses.replace(loaded.pairs[0], baselines=None)
    assert summary.summarise(dataclasses.replace(loaded, pairs=(without,)))["baselines"] == []


def test_named_images_are_held_against_those_of_what_stands_out(loaded):
    pair = loaded.pairs[0]
    way = pair.ways[0]
    nothing = dataclasses.replace(way, significant=np.zeros_like(way.significant))
    silent = dataclasses.replace(pair, ways=(nothing, nothing))
    assert baselines_section.reference(loaded, silent) is None
    standing = dataclasses.replace(way, significant=np.ones_like(way.significant))
    found = dataclasses.replace(pair, ways=(standing, nothing))
    wanted = baselines_section.reference(loaded, found)
    weights = np.abs(way.projections[:, 0])
    np.testing.assert_array_equal(
        wanted.images, loaded.data.targets[weights >= 0.5 * weights.max()]
    )
    met = baselines_section.met(np.array([5, 7, 9]), np.array([7, 9, 1, 2]))
    assert (met.precision, met.recall) == (2 / 3, 1 / 2)
    assert baselines_section.met(np.array([], int), np.array([1])).precision is None
    html = page.render(dataclasses.replace(loaded, pairs=(found,)), summary.summarise(loaded))
    assert f"the {len(wanted.images)} test images of direction 1 of plain minus masked" in html


def test_a_method_of_one_s_own_stands_in_the_table_and_nothing_becomes_markup(hostile_json):
    table = pd.read_csv(hostile_json.parent / "plain-vs-masked/baselines.csv")
    assert table.measure.tolist()[-1] == "report_studies:distances"
    arrays = np.load(hostile_json.parent / "plain-vs-masked/named.npz")
    assert arrays["report_studies:distances.scores"].shape == arrays["images"].shape
    html = (hostile_json.parent / "report.html").read_text()
    section = html.split('<section id="baselines"')[1].split("</section>")[0]
    assert "a distance of your own" in section
    rules = pd.read_csv(hostile_json.parent / "plain-vs-masked/rules.csv", keep_default_na=False)
    assert rules.rule.tolist()[-2:] == ["any of these rules", "any image"]
    assert rules.images.iloc[-1] == len(arrays["images"]) // 2
    assert "<script>alert" not in section
    assert "<b>bold" not in section


def test_a_damaged_table_is_named(loaded, tmp_path):
    from modeldiff.report import baselines

    folder = tmp_path / "plain-vs-masked"
    folder.mkdir()
    for name in ("baselines.csv", "named.npz", "rules.csv"):
        path = loaded.folder / f"plain-vs-masked/{name}"
        (folder / name).write_bytes(path.read_bytes())
        record = artifacts.record_path(path)
        artifacts.record_path(folder / name).write_bytes(record.read_bytes())
    assert baselines.read(loaded.study, tmp_path, "plain", "masked")
    (folder / "baselines.csv").write_text("measure\n")
    with pytest.raises(UserError, match=r"baselines\.csv: has 8 bytes"):
        baselines.read(loaded.study, tmp_path, "plain", "masked")


def test_full_models_are_trained_for_baselines_alone(config):
    config = small(config)
    config["verification"] = {"transformations": {}}
    config["baselines"] = {"methods": ["cka"], "models": 7}
    assert Study.load(config).full_models == 7
    assert Study.load(config | {"proof": {"proposers": 9}}).full_models == 9
    del config["baselines"]
    assert Study.load(config).full_models == 0


@pytest.mark.parametrize(
    ("baselines", "said"),
    [
        ({"methods": ["ckb"]}, "baselines.methods.0: is 'ckb'"),
        ({"methods": []}, "baselines.methods: "),
        ({"models": 2}, "baselines.models: is 2; must be at least 3"),
        ({"methods": ["nowhere:distances"]}, "baselines.methods.0: cannot import"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(config, baselines, said):
    with pytest.raises(UserError, match=said):
        Study.load(small(config) | {"baselines": baselines})


def test_the_command_refuses_a_pair_without_baselines(study, tmp_path):
    study.write(tmp_path / "study.json")
    given = ["baselines", str(tmp_path / "study.json"), "plain", "masked", "x.npz"]
    given += ["--dataset", "manifest.json", "-o", str(tmp_path / "out.csv")]
    ended = CliRunner().invoke(main, given)
    assert isinstance(ended.exception, UserError | SystemExit)
    assert "has baselines of no pair" in ended.output + str(ended.exception)
