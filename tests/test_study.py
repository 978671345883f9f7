"""Every mistake in a config gives one line: file, key, what would be right."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from modeldiff.core.errors import UserError
from modeldiff.study import Study


def put(config, path, value):
    """Set (or, with `None`, remove) the value at a dotted path."""
    *parents, last = path.split(".")
    node = config
    for part in parents:
        node = node[int(part) if isinstance(node, list) else part]
    if value is None:
        del node[last]
    else:
        node[int(last) if isinstance(node, list) else last] = value


# What is changed in the embedded study, the key the line names, words it holds.
MALFORMED = [
    ("training.width", 0, "training.width", "must be auto or a whole number from 1"),
    ("training.width", "autp", "training.width", "did you mean `auto`?"),
    ("training.minutes_per_job", 0, "training.minutes_per_job", "more than 0"),
    ("training.minutes_per_job", 61, "training.minutes_per_job", "must be below `minutes`, 60"),
    ("training.allow_missing", 0.01, "training.allow_missing", "must be text or null"),
    ("training.allow_missing", "1", "training.allow_missing", "a share like 1%"),
    ("stduy", "digits", "stduy", "did you mean `study`?"),
    ("study", None, "study", "is missing"),
    ("study", 7, "study", "must be text"),
    ("study", "../elsewhere", "study", "part of file names"),
    ("study", "", "study", "part of file names"),
    ("seed", -1, "seed", "at least 0"),
    ("seed", 1.5, "seed", "whole number"),
    ("seed", "zero", "seed", "whole number"),
    ("results", 3, "results", "must be text"),
    ("dataset", None, "dataset", "is missing"),
    ("dataset", [], "dataset", "keys with values"),
    ("dataset.name", "digts", "dataset.name", "did you mean `digits`?"),
    ("dataset.name", "nowhere.module:load", "dataset.name", "cannot import"),
    ("dataset.name", "json:nothing", "dataset.name", "cannot import"),
    ("dataset.name", "math:pi", "dataset.name", "is not a function: its type is float"),
    ("dataset.path", "/data", "dataset.path", "is not a key"),
    ("dataset.verification_share", 0, "dataset.verification_share", "more than 0"),
    ("dataset.verification_share", 1, "dataset.verification_share", "less than 1"),
    ("dataset.plant.class", "three", "dataset.plant.class", "must be a class: 0, 1"),
    ("dataset.plant.class", None, "dataset.plant.class", "is missing"),
    ("dataset.plant.feature", "watermrk", "dataset.plant.feature", "did you mean `watermark`?"),
    ("dataset.plant.train", 0, "dataset.plant.train", "at least 1"),
    ("dataset.plant.train", 1000, "dataset.plant.train", "at most half"),
    ("dataset.plant.test", 2, "dataset.plant.test", "less than 1"),
    ("subsets.alpha", 0, "subsets.alpha", "more than 0"),
    ("subsets.alpha", 1.5, "subsets.alpha", "less than 1"),
    ("subsets.alpha", 0.0001, "subsets.alpha", "must be at least 0.00083"),
    ("subsets.alpha", "5e-1", "subsets.alpha", "write 5.0e-01 with a point"),
    ("subsets.models", 0, "subsets.models", "at least 1"),
    ("subsets.models", 180, "subsets.models", "must be at least 190: a contrast compares on 40"),
    ("subsets.evaluation", {"subsets": 2, "repeats": 25}, "subsets.evaluation.subsets", "least 3"),
    ("datamodels.jobs", 449, "datamodels.jobs", "must be at most the number of targets, 448"),
    ("subsets.evaluation.subsets", 10, "subsets.evaluation.subsets", "must be 50 or more"),
    ("subsets.evaluation.repeats", 0, "subsets.evaluation.repeats", "at least 1"),
    ("algorithms", {}, "algorithms", "at least"),
    ("algorithms.plain.epochs", 0, "algorithms.plain.epochs", "at least 1"),
    ("algorithms.plain.epochs", None, "algorithms.plain.epochs", "is missing"),
    ("algorithms.plain.epoch", 3, "algorithms.plain.epoch", "did you mean `epochs`?"),
    ("algorithms.plain.batch", 601, "algorithms.plain.batch", "a subset has 600 examples"),
    ("algorithms.plain.model.name", "mpl", "algorithms.plain.model.name", "did you mean `mlp`?"),
    ("algorithms.plain.model.hiden", 8, "algorithms.plain.model.hiden", "did you mean `hidden`?"),
    ("algorithms.plain.model.name", "os:nothing", "algorithms.plain.model.name", "cannot import"),
    (
        "algorithms.plain.optimizer.name",
        "adm",
        "algorithms.plain.optimizer.name",
        "must be sgd or adamw",
    ),
    ("algorithms.plain.optimizer.lr", 0, "algorithms.plain.optimizer.lr", "more than 0"),
    ("algorithms.plain.optimizer.lr", None, "algorithms.plain.optimizer.lr", "is missing"),
    ("algorithms.plain.optimizer.nesterov", "yes", "algorithms.plain.optimizer.nesterov", "true"),
    ("algorithms.plain.schedule.name", "cosin", "algorithms.plain.schedule.name", "triangular"),
    ("algorithms.plain.schedule.peak", 2, "algorithms.plain.schedule.peak", "at most 1"),
    ("algorithms.plain.train", {"name": "json:dumps"}, "algorithms.plain", "together with `train`"),
    (
        "algorithms.masked.preprocess.0.width",
        None,
        "algorithms.masked.preprocess.0.width",
        "missing",
    ),
    (
        "algorithms.masked.preprocess.0.name",
        "blur",
        "algorithms.masked.preprocess.0.name",
        "must be",
    ),
    ("algorithms.plain-vs-x", {}, "algorithms", "part of file names"),
    ("training.shard", 0, "training.shard", "at least 1"),
    ("training.gpu", 2, "training.gpu", "at most 1"),
    ("training.margin", "logit", "training.margin", "must be max or log_odds"),
    ("datamodels.estimator", "laso", "datamodels.estimator", "did you mean `lasso`?"),
    ("datamodels.penalty", 0, "datamodels.penalty", "more than 0"),
    ("datamodels.min_ratio", 1, "datamodels.min_ratio", "less than 1"),
    ("comparison.pairs", [], "comparison.pairs", "at least"),
    ("comparison.pairs.0.1", "maskd", "comparison.pairs.0.1", "plain, masked"),
    ("comparison.pairs.0.1", "plain", "comparison.pairs.0", "with itself"),
    ("comparison.pairs", [["plain", "masked"]] * 2, "comparison.pairs.1", "already"),
    ("comparison.pairs.0", ["plain"], "comparison.pairs.0", "at least"),
    ("comparison.rows", "unti", "comparison.rows", "did you mean `unit`?"),
    ("comparison.directions", 448, "comparison.directions", "at most 256"),
    ("comparison.examples", 1000, "comparison.examples", "at most 448"),
    ("verification.models", 1, "verification.models", "at least 2"),
    ("verification.candidates", 1, "verification.candidates", "at least 2"),
    ("verification.candidates", 21, "verification.candidates", "must be at most `models`, 20"),
    (
        "verification.transformations.watermark.class",
        "ten",
        "verification.transformations.watermark.class",
        "must be a class",
    ),
    (
        "verification.transformations.watermark.strengths",
        [0.5, 1],
        "verification.transformations.watermark.strengths",
        "at least this many: 3",
    ),
    (
        "verification.transformations.watermark.strengths",
        [1, 0.5, 0.1],
        "verification.transformations.watermark.strengths",
        "must rise",
    ),
]


@pytest.mark.parametrize(("path", "value", "key", "words"), MALFORMED, ids=str)
def test_a_mistake_is_one_line_that_names_file_and_key(
    config, tmp_path, monkeypatch, path, value, key, words
):
    put(config, path, value)
    monkeypatch.chdir(tmp_path)
    file = Path("wrong.yaml")
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.raises(UserError) as caught:
        Study.read(file)
    line = str(caught.value)
    assert line.startswith(f"{file}: {key}: ")
    assert words in line
    assert "\n" not in line


FILES = {
    "study: [": "is not YAML",
    "- study": "must hold keys at its top level",
    "study: a\nstudy: b\n": "`study` stands twice",
    "algorithms:\n  plain: {epochs: 1}\n  plain: {epochs: 2}\n": "line 3: `plain` stands twice",
}


@pytest.mark.parametrize(("text", "words"), FILES.items())
def test_a_file_that_is_no_config_is_one_line(tmp_path, text, words):
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=r"^[^\n]*$") as caught:
        Study.read(file)
    assert str(caught.value).startswith(str(file))
    assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent.yaml: cannot be read: No such file"):
        Study.read(tmp_path / "absent.yaml")


def test_the_error_names_the_overlay_that_holds_the_key(config, repository, tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("seed: -1\n")
    base = repository / "config/config.yaml"
    with pytest.raises(UserError) as caught:
        Study.load(config | {"seed": -1}, [base, overlay])
    assert str(caught.value).startswith(f"{overlay}: seed: ")


@pytest.mark.slow
@pytest.mark.parametrize("extra", [[], ["-n"]], ids=["run", "dry-run"])
@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("algorithms.plain.epochs", 0, "algorithms.plain.epochs: is 0; must be at least 1"),
        ("dataset.nmae", "digits", "dataset.nmae: is not a key; did you mean `name`?"),
    ],
)
def test_snakemake_ends_with_the_line_and_exit_code_1(
    config, repository, tmp_path, extra, path, value, words
):
    put(config, path, value)
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    command = [sys.executable, "-m", "snakemake", "-s", repository / "Snakefile", "--cores", "1"]
    command += ["--directory", tmp_path, "--configfile", file, *extra]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"modeldiff: {file}: {words}"
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "results").exists()


def test_the_command_line_ends_with_the_line_and_exit_code_1(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("study: x\n")
    command = [sys.executable, "-m", "modeldiff", "check", file, "-o", tmp_path / "study.json"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == f"modeldiff: {file}: dataset: is missing\n"
    assert not (tmp_path / "study.json").exists()


def test_a_checked_study_reads_back_as_itself(config, tmp_path):
    study = Study.load(config)
    study.write(tmp_path / "study.json")
    assert Study.read(tmp_path / "study.json") == study


def test_a_study_of_an_earlier_version_is_refused_in_one_line(config, tmp_path):
    path = tmp_path / "study.json"
    study = Study.load(config)
    study.write(path)
    assert Study.recorded(path).config == study.config
    comparison = study.config["comparison"]
    comparison["flips"] = comparison.pop("permutations")  # as it was called then
    study.write(path)
    with pytest.raises(UserError, match=r"written by another version of modeldiff; [^\n]*$"):
        Study.recorded(path)


def test_a_change_reaches_only_the_rooms_that_depend_on_it(config):
    before = Study.load(config)
    config["algorithms"]["masked"]["epochs"] += 1
    config["datamodels"]["penalty"] = 0.2
    after = Study.load(config)
    for room, of in [
        ("dataset", ()),
        ("subsets", ()),
        ("training", ["plain"]),
        ("full", ["plain"]),
    ]:
        assert before.key(room, *of) == after.key(room, *of)
    changed = [("training", ["masked"]), ("full", ["masked"]), ("predictions", ["masked"])]
    changed += [("datamodels", ["plain"]), ("comparison", ["plain", "masked"]), ("report", ())]
    for room, of in changed:
        assert before.key(room, *of) != after.key(room, *of)


def test_more_models_change_no_model_that_is_there(config):
    before = Study.load(config)
    config["subsets"]["models"] += 500
    after = Study.load(config)
    assert before.key("training", "plain") == after.key("training", "plain")
    numbers = range(before.models)
    assert [before.subset_of(m) for m in numbers] == [after.subset_of(m) for m in numbers]
    assert after.n_subsets == before.n_subsets + 500


def test_evaluation_models_share_subsets_and_others_do_not(study):
    subsets = [study.subset_of(m) for m in range(study.models)]
    held, repeats = study.evaluation_models, study.repeats
    assert subsets[:held] == [m // repeats for m in range(held)]
    assert subsets[held:] == list(range(study.evaluation_subsets, study.n_subsets))
