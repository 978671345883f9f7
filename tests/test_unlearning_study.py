"""Unlearning as a stage: its table, what page, summary and plan say of it, what is refused."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import EMBEDDED, small

from modeldiff import dataset
from modeldiff.cli import main
from modeldiff.core.errors import UserError
from modeldiff.planning import plan
from modeldiff.proof.effect import holm
from modeldiff.report import page, summary
from modeldiff.study import Study, inputs
from modeldiff.study.validation import parse
from modeldiff.training import train_full
from modeldiff.training.shard import load_full, margin
from modeldiff.unlearning import left, step

pytest_plugins = ["report_fixtures"]

MODELS = 8


def asking(config: dict) -> dict:
    """A small study that asks what two methods leave of the planted images."""
    config = small(config)
    recipe = config["algorithms"]["plain"]
    finish = {"name": "unlearn", "forget": "planted", "epochs": 1}
    config["algorithms"] |= {
        "never": recipe | {"without": "planted"},
        "muso": recipe | {"finish": finish | {"method": "muso"}},
        "ruined": recipe | {"finish": finish | {"method": "gradient_ascent", "lr": 1e6}},
    }
    config["unlearning"] = {"before": "plain", "never": "never", "models": MODELS}
    config["verification"] = {"models": MODELS}
    config["dataset"]["plant"]["train"] = 48
    return config


@pytest.fixture(scope="module")
def asked(repository, tmp_path_factory):
    """The study, its data, its models on all images, and its table."""
    folder = tmp_path_factory.mktemp("unlearning")
    study = Study.load(asking(parse(repository / EMBEDDED)) | {"results": str(folder)})
    manifest = folder / "manifest.json"
    dataset.prepare(study, manifest)
    data = dataset.read(manifest, study.key("dataset"))
    paths = []
    for name in study.trained:
        paths.append(folder / f"{name}.npz")
        train_full(study, name, data, range(MODELS), paths[-1], device="cpu")
    table = folder / "unlearning.csv"
    words = ["unlearning", folder / "study.json", *paths, "--dataset", manifest, "-o", table]
    study.write(folder / "study.json")
    ended = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return study, data, dict(zip(study.trained, paths, strict=True)), table


def test_the_table_is_what_the_models_give(asked):
    study, data, paths, table = asked
    margins = {}
    right = {}
    labels = torch.from_numpy(data.test.labels[data.targets])
    for name, path in paths.items():
        (trained,) = load_full(study, name, data, [path], device="cpu")
        logits = trained.logits(data.test.images[data.targets])
        margins[name] = margin(logits, labels, study.training.margin).numpy()
        right[name] = (logits.argmax(2) == labels).double().mean()
    rows = {row["algorithm"]: row for row in step.read(study, table)}
    assert list(rows) == ["plain", "never", "muso", "ruined"]  # not `masked`, which forgets nothing
    found = left(margins["plain"], margins["never"], margins["muso"])
    assert rows["muso"]["left"] == pytest.approx(found.value)
    assert (rows["muso"]["low"], rows["muso"]["high"]) == pytest.approx((found.low, found.high))
    assert rows["muso"]["accuracy"] == pytest.approx(float(right["muso"]))
    assert rows["muso"]["low"] < rows["muso"]["high"] < 1.2
    assert [row["method"] for row in rows.values()] == [
        *("", "without planted", "muso", "gradient_ascent")
    ]
    assert np.isnan(rows["plain"]["left"])
    ruined = rows["ruined"]
    assert ruined["models"] + ruined["failed"] == MODELS
    adjusted = holm(np.array([rows["muso"]["p_value"], ruined["p_value"]]))
    np.testing.assert_allclose([rows["muso"]["adjusted"], ruined["adjusted"]], adjusted)


def test_the_summary_and_the_page_say_it(asked, loaded):
    study, _, _, table = asked
    rows = step.read(study, table)
    rows[2] |= {"algorithm": "<b>muso", "left": -0.125, "adjusted": 0.004}
    said = dataclasses.replace(loaded, unlearning=tuple(rows))
    content = summary.summarise(said)
    entries = {entry["algorithm"]: entry for entry in content["unlearning"]}
    assert entries["<b>muso"]["left"] == -0.125
    assert entries["never"]["left"] is None
    json.dumps(content, allow_nan=False)
    html = page.render(said, content)
    opening = html.split('<ol class="verdict">')[1].split("</ol>")[0]
    assert "&lt;b&gt;muso has <strong>\N{MINUS SIGN}0.12</strong>" in opening
    section = html.split('<section id="unlearning"')[1].split("</section>")[0]
    assert '<th scope="row">&lt;b&gt;muso</th>' in section
    assert '<strong class="yes">\N{MINUS SIGN}0.12</strong>' in section
    assert "<code>without planted</code>" in section
    assert '"left":-0.125' in html  # in the chart
    assert "unlearning" not in summary.summarise(loaded)
    assert 'id="unlearning"' not in page.render(loaded, summary.summarise(loaded))


def test_it_reads_the_models_of_all_algorithms_and_the_plan_says_so(asked):
    study = asked[0]
    names = [of for _, *of in inputs.files(study, "unlearning", "checkpoints")]
    assert names == [["plain"], ["masked"], ["never"], ["muso"], ["ruined"]]
    said = list(plan.lines(plan.outline(study)))
    line = "  unlearning  muso, ruined: what is left of what never never saw, by 8 models of each"
    assert line in said


def test_its_key_follows_every_algorithm_that_is_asked(asked):
    study = asked[0]
    changed = json.loads(json.dumps(study.config))
    changed["algorithms"]["muso"]["finish"]["epochs"] = 2
    again = Study.load(changed)
    assert again.key("unlearning") != study.key("unlearning")
    assert again.key("full", "plain") == study.key("full", "plain")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"before": "nobody"}, r"unlearning\.before: is 'nobody'; must be an algorithm that says"),
        ({"before": "muso"}, r"unlearning\.before: is 'muso', which is to forget; must not"),
        ({"before": "never"}, r"unlearning\.before: is trained `without` a group; must learn it"),
        ({"never": "plain"}, r"unlearning\.never: is 'plain'; must be trained `without` the group"),
        ({"models": 4}, r"unlearning\.models: is 4; must be at least 8"),
    ],
)
def test_a_mistake_in_the_config_is_a_line(config, change, words):
    config = asking(config)
    config["unlearning"] |= change
    with pytest.raises(UserError, match=words):
        Study.load(config)


def test_what_is_forgotten_is_what_was_never_seen(config):
    config = asking(config)
    config["algorithms"]["muso"]["finish"]["forget"] = "class:3"
    with pytest.raises(
        UserError, match=r"muso\.finish\.forget: is 'class:3', but never is without"
    ):
        Study.load(config)
    for name in ("muso", "ruined"):
        config["algorithms"].pop(name)
    with pytest.raises(UserError, match=r"unlearning: asks what is left, but no algorithm has a"):
        Study.load(config)


def test_too_few_finite_models_are_named(asked, tmp_path):
    study, data, paths, _ = asked
    few = dict(paths)
    few["never"] = tmp_path / "never.npz"
    train_full(study, "never", data, range(3), few["never"], device="cpu")
    with pytest.raises(
        UserError, match=r"algorithms\.never: has 3 models trained on all data with"
    ):
        step.write(study, data, list(few.values()), tmp_path / "table.csv", device="cpu")
    assert not (tmp_path / "table.csv").exists()
