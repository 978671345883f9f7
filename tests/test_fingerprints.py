"""The user's own code and files are part of the keys of what they make, and of nothing else."""

import json

import numpy as np
import torch
import yaml
from click.testing import CliRunner
from conftest import small
from own_study import edit, shard, started

from modeldiff.cli import main
from modeldiff.jobs import changes, sharding, status
from modeldiff.study import Study

pytest_plugins = ["own_study"]


def keys(config):
    """The keys of all rooms."""
    study = Study.load(config)
    rooms = {"dataset": [()], "subsets": [()], "report": [()], "comparison": study.pairs}
    rooms |= {"beton": [()], "verification": study.pairs, "candidates": study.pairs}
    each = ("calibration", "training", "full", "margins", "grams", "datamodels", "predictions")
    rooms |= {room: [(name,) for name in study.names] for room in (*each, "trials")}
    return {"/".join((room, *of)): study.key(room, *of) for room in rooms for of in rooms[room]}


def changed(config, *edited):
    """The rooms whose keys an edit changes."""
    before = keys(config)
    edit(*edited)
    after = keys(config)
    return {where for where in before if before[where] != after[where]}


OF_TRAINED = {"calibration", "training", "full", "margins", "grams", "datamodels", "trials"}
OF_TRAINED |= {"predictions"}
OF_PAIR = {f"{room}/plain/masked" for room in ("comparison", "verification", "candidates")}


def test_a_training_function_is_part_of_all_that_its_models_are_in(own, folder):
    expected = {f"{room}/masked" for room in OF_TRAINED} | OF_PAIR | {"report"}
    assert changed(own, folder / "mine.py", "step(module)", "step(step(module))") == expected


def test_so_is_a_module_that_it_imports(own, folder):
    expected = {f"{room}/masked" for room in OF_TRAINED} | OF_PAIR | {"report"}
    assert changed(own, folder / "training_parts.py", "0.1", "0.2") == expected


def test_a_source_of_data_is_part_of_everything(own, folder):
    assert changed(own, folder / "mine.py", "% 2", "// 2 % 2") == keys(own).keys()


def test_a_transformation_is_part_of_effects_only(own, folder):
    expected = {"predictions/plain", "predictions/masked", "verification/plain/masked", "report"}
    edited = (folder / "mine.py", "strength):\n    return images", "strength):\n    return -images")
    assert changed(own, *edited) == expected


def test_an_estimator_is_part_of_datamodels(own, folder):
    own["preset"] = None
    own["datamodels"] = {"estimator": "mine:estimator"}
    expected = {"datamodels/plain", "datamodels/masked", "comparison/plain/masked", "report"}
    expected |= {"candidates/plain/masked"}
    assert changed(own, folder / "mine.py", "NotImplementedError", "ValueError") == expected


def test_trak_takes_the_model_and_its_preprocessing(own, folder):
    torch.save({}, "weights.pt")
    own["algorithms"]["masked"]["scores"] = {"name": "trak", "checkpoints": ["weights.pt"]}
    own["algorithms"]["masked"]["preprocess"] = [{"name": "mine:prepared"}]
    own["preset"] = None
    own["comparison"] = {"pairs": [["plain", "masked"]], "method": "residual"}

    def key():
        return Study.load(own).key("scores", "masked")

    before = key()
    edit(folder / "mine.py", "step(module)", "pass")
    assert key() == before
    edit(
        folder / "mine.py",
        "def prepared(images):\n    return",
        "def prepared(images):\n    return 1 -",
    )
    now = key()
    assert now != before
    edit(folder / "mine.py", "nn.ReLU()", "nn.GELU()")
    assert key() != now


def test_a_version_stands_for_the_code(own, folder):
    own["algorithms"]["masked"]["code"] = "v1"
    own["dataset"]["code"] = 1
    assert changed(own, folder / "mine.py", "step(module)", "pass") == set()
    assert changed(own, folder / "mine.py", "% 2", "// 2 % 2") == set()
    before = keys(own)
    own["algorithms"]["masked"]["code"] = "v2"
    after = keys(own)
    assert before["training/masked"] != after["training/masked"]
    assert before["training/plain"] == after["training/plain"]
    own["dataset"]["code"] = 2
    assert after["training/plain"] != keys(own)["training/plain"]


def test_weights_to_start_from_count_by_their_content(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = small(config)
    config["algorithms"]["plain"]["model"] = {"name": "convnet", "weights": "start.pt"}
    config["algorithms"]["plain"]["code"] = "v1"  # not of code of one's own: it changes nothing
    absent = keys(config)
    torch.save({"weight": torch.zeros(2)}, "start.pt")
    before = keys(config)
    torch.save({"weight": torch.ones(2)}, "start.pt")
    after = keys(config)
    rooms = {where for where in before if before[where] != after[where]}
    assert rooms == {f"{room}/plain" for room in OF_TRAINED} | OF_PAIR | {"report"}
    assert absent["training/plain"] not in (before["training/plain"], after["training/plain"])


def test_a_file_that_is_an_option_of_ones_own_part_counts_by_its_content(own, folder):
    own["algorithms"]["masked"]["model"]["width"] = {"of": ["images.npy"]}
    before = keys(own)["training/masked"]
    np.save("images.npy", np.zeros((400, 1, 8, 8), np.uint8))
    assert keys(own)["training/masked"] != before


# A run and its jobs.


def test_a_job_stops_if_the_code_is_not_what_the_run_was_started_with(own, folder):
    path = f"{started(own).folder}/study.json"
    assert Study.read(path) == Study.load(own)
    edit(folder / "training_parts.py", "0.1", "0.2")
    words = ["train", path, "masked", "--models", "0:2", "--dataset", "x", "--output", "shard.npy"]
    ended = CliRunner().invoke(main, words)
    assert ended.exit_code == 1
    line = f"modeldiff: {path}: training_parts changed since the run started; run the same"
    assert ended.stderr.startswith(line)
    assert len(ended.stderr) <= 200
    assert status.read("results/small").study == "small"  # which only looks
    assert Study.recorded(path).key("training", "masked") != Study.load(own).key(
        "training", "masked"
    )


def test_a_study_without_own_code_leaves_no_record_of_any(own, study, folder):
    started(own)
    record = folder / "results/small/study.code.json"
    assert set(json.loads(record.read_text())) == {
        "dataset",
        "algorithms.masked",
        "transformations.brighter",
    }
    study.write("results/small/study.json")
    assert not record.exists()


def test_check_says_what_changed_and_how_many_models_are_trained_again(own, folder):
    study = started(own)
    (folder / "mine.yaml").write_text(yaml.safe_dump(own))
    for models in (range(30), range(30, 60)):
        shard(study, "masked", models)
    assert list(changes.lines(study)) == []
    edit(folder / "training_parts.py", "0.1", "0.2")
    own["subsets"]["models"] = 150
    (folder / "mine.yaml").write_text(yaml.safe_dump(own))
    ended = CliRunner().invoke(main, ["check", "mine.yaml"])
    assert ended.exit_code == 0
    assert ended.output.splitlines()[-1] == (
        "changed since the last run: training_parts, subsets.models; "
        "60 models of masked are trained again"
    )
    assert sharding.finished(Study.load(own), "training", ("masked",), study.folder) == {}


def test_more_models_alone_train_none_again(own, folder):
    shard(started(own), "masked", range(30))
    edit(folder / "mine.py", "def model", "# a comment\n\ndef model")
    own["subsets"]["models"] = 150
    (said,) = changes.lines(Study.load(own))
    assert said == "changed since the last run: subsets.models; no model is trained again"
