"""What people type: check, new, status, plan; exit codes and JSON."""

import json
import re
import time

import numpy as np
import pytest
import yaml
from conftest import EMBEDDED, small

from modeldiff import dataset
from modeldiff.baselines.methods import Measure
from modeldiff.cli import main
from modeldiff.core import artifacts
from modeldiff.core.errors import UserError
from modeldiff.jobs import sharding, status
from modeldiff.planning import other_ways
from modeldiff.study import Study

pytest_plugins = ["report_fixtures"]


@pytest.fixture
def started(config, tmp_path):
    """A study that has begun: its checked config lies in its results folder."""
    study = Study.load(small(config) | {"results": str(tmp_path / "results")})
    study.write(f"{study.folder}/study.json")
    return study


def shard(study, name, models, failed=(), seconds=10.0):
    """A made-up shard: an artifact as whole as a real one, of few bytes."""
    path = f"{study.folder}/{name}/shards/{models.start}-{models.stop}.npy"
    facts = {"failed": {str(m): "diverged" for m in failed}, "resumed_at": 0}
    facts["models_per_second"] = len(models) / seconds
    with artifacts.write(path, study.key("training", name), **facts) as file:
        np.save(file, np.zeros(1))


def test_help_names_every_command(call):
    code, said, _ = call("--help")
    assert code == 0
    for name in main.commands:
        assert re.search(rf"[ \n]{name}[ ,\n]", said), name
        assert call(name, "--help")[0] == 0


@pytest.mark.parametrize("command", ["run", "plan", "check", "status", "summary"])
def test_a_config_that_is_not_there_is_one_line(call, command):
    code, said, error = call(command, "NOT-THERE.yaml")
    assert (code, said) == (1, "")
    assert error == "modeldiff: NOT-THERE.yaml: cannot be read: No such file or directory\n"


def test_wrong_usage_is_2_and_a_wrong_config_1(call, repository, tmp_path):
    assert call("stauts")[0] == 2
    assert call("train", repository / EMBEDDED)[0] == 2
    (tmp_path / "wrong.yaml").write_text("study: x\n")
    code, said, error = call("check", "wrong.yaml")
    assert (code, said, error) == (1, "", "modeldiff: wrong.yaml: dataset: is missing\n")


def test_check_says_what_the_study_will_do_and_writes_nothing(call, repository, tmp_path):
    code, said, _ = call("check", repository / EMBEDDED)
    assert code == 0
    assert "1,200 training images of 10 classes; 448 test images" in said
    assert "baselines   plain with masked: predictions, cka, ddv, jst, by 20 models of each" in said
    code, said, _ = call("check", repository / EMBEDDED, "--json")
    found = json.loads(said)
    assert (found["subset"], found["models"], found["training_jobs"]) == (600, 750, 8)
    assert list(tmp_path.iterdir()) == []


def test_check_looks_for_the_data_and_counts_them(call, repository, tmp_path):
    config = yaml.safe_load((repository / "config/cifar10-mini.yaml").read_text())
    config["dataset"] = {"name": "folder", "path": "images", "size": 16}
    del config["verification"]["transformations"]["truck"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    code, _, error = call("check", "mine.yaml")
    assert code == 1
    assert "dataset.path: images: does not exist" in error
    for split, n in (("train", 300), ("test", 40)):
        for name in ("cat", "dog"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for i in range(n):
                (tmp_path / "images" / split / name / f"{i}.png").touch()
    found = json.loads(call("check", "mine.yaml", "--json")[1])
    assert (found["train"], found["targets"], found["verification_images"]) == (600, 60, 20)
    config["algorithms"]["low_noise"]["batch"] = 301
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config))
    assert "batch: is 301, but a subset has 300 examples" in call("check", "mine.yaml")[2]


def test_status_before_anything_ran_is_a_line(call, tmp_path):
    code, _, error = call("status", "results/nothing")
    assert code == 1
    assert error.startswith("modeldiff: results/nothing: holds no readable study.json")


def test_status_counts_what_is_whole_and_of_these_settings(call, started):
    shard(started, "plain", range(0, 30), failed=(3, 7))
    shard(started, "plain", range(30, 60))
    shard(started, "masked", range(0, 30))
    other = f"{started.folder}/masked/shards/30-60.npy"
    with artifacts.write(other, "0" * 16, failed={}) as file:
        file.write(b"of other settings")
    found = json.loads(call("status", started.folder, "--json")[1])
    plain, masked = found["algorithms"]["plain"], found["algorithms"]["masked"]
    assert (plain["trained"], plain["failed"], plain["models"]) == (60, 2, 120)
    assert (masked["trained"], masked["room"]) == (30, "training")
    assert found["report"] is None
    # 10 s for 30 models in each job, all at the same time: three jobs at a time.
    assert plain["seconds_per_model"] == pytest.approx(1 / 3)
    assert found["jobs_at_a_time"] == pytest.approx(3, abs=0.4)  # times are whole seconds
    assert found["seconds_left"] == pytest.approx(150 / 3 / found["jobs_at_a_time"])


def test_status_reads_the_bars_of_running_jobs_and_the_last_words_of_stopped_ones(started):
    logs = f"{started.folder}/logs/train"
    bar = "plain:   0%|  | 0/30 [00:00<?, ?model/s]"
    bar += "\rplain:  50%|##  | 15/30 [01:00<01:00, 4.0s/model]"
    with artifacts.atomic_write(f"{logs}/plain-0-30.log") as file:
        file.write(f"some library warns\n{bar}".encode())
    with artifacts.atomic_write(f"{logs}/masked-0-30.log") as file:
        file.write(f"{bar}\nmodeldiff: --gpu: no GPU is visible\n".encode())
    found = status.read(started.folder)
    assert found.algorithms["plain"].running == 15
    assert found.algorithms["plain"].seconds_per_model == pytest.approx(4)
    assert found.stopped == {f"{logs}/masked-0-30.log": "modeldiff: --gpu: no GPU is visible"}
    assert "plain 15/120 models" in status.line(found)


def test_status_of_a_finished_study(study_json, call):
    code, said, _ = call("status", study_json.parent)
    assert code == 0
    assert said.count("120/120") == 2
    assert said.count("done") == 2
    assert f"report: {study_json.parent}/report.html" in said
    assert call("status", study_json.parent, "--watch")[0] == 0  # ends at once


def test_status_of_10_000_shards_in_2_seconds(started, config):
    """Every record is read: 0.5 s of CPU time on the machine that this was written on."""
    config["subsets"]["models"], config["training"]["shard"] = 50_000, 10
    study = Study.load(config | {"results": started.config["results"]})
    study.write(f"{study.folder}/study.json")
    shard(study, "plain", range(0, 10), failed=(1,))
    folder = f"{study.folder}/plain/shards"
    record = artifacts.record(f"{folder}/0-10.npy")
    for name in study.algorithms:
        key = study.key("training", name)
        text = json.dumps(record | {"key": key}, indent=1)
        artifacts.write_json(f"{study.folder}/{name}/shards/0-10.npy.json", record | {"key": key})
        at = f"{study.folder}/{name}/shards"
        for models in sharding.cut(study, "training", (name,), study.folder):
            with open(f"{at}/{models.start}-{models.stop}.npy", "w"):
                pass
            with open(f"{at}/{models.start}-{models.stop}.npy.json", "w") as file:
                file.write(text)
    start = time.process_time()
    found = status.read(study.folder)
    seconds = time.process_time() - start
    print(f"10,000 shards: {seconds:.2f} s")
    assert [own.trained for own in found.algorithms.values()] == [50_000, 50_000]
    assert found.algorithms["plain"].failed == 5_000
    assert seconds < 2


def test_a_new_study_is_one_once_the_data_are_there(call, tmp_path):
    assert call("new", "birds", "--images", "here")[0] == 0
    assert "dataset.path: here: does not exist" in call("check", "config/birds.yaml")[2]
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "here" / split / name).mkdir(parents=True)
            for i in range(60):
                (tmp_path / "here" / split / name / f"{i}.png").touch()
    code, said, _ = call("check", "config/birds.yaml")
    assert code == 0
    assert "120 training images of 2 classes" in said
    code, _, error = call("new", "birds")
    assert (code, "exists already" in error) == (1, True)
    assert "NAME: is '../birds'" in call("new", "../birds")[2]


def test_a_new_study_of_ones_own_parts(call, repository, tmp_path):
    tutorial = (repository / "docs/tutorial.md").read_text()
    parts = re.search(r'^```python title="mine.py"\n(.*?)^```$', tutorial, re.S | re.M)[1]
    (tmp_path / "own_parts_for_new.py").write_text(parts)
    assert call("new", "mine", "--own", "own_parts_for_new", "--output", "mine.yaml")[0] == 0
    code, said, error = call("check", "mine.yaml")
    assert code == 0, error
    assert "sizes are known once it is prepared" in said
    assert "first: trained by own_parts_for_new:train, one model at a time" in said


def test_plan_estimates_a_study_that_has_no_config_yet(call):
    code, said, _ = call("plan", "--images", "25000", "--recipe", "resnet9", "--json")
    assert code == 0
    told = json.loads(said)
    assert told["models"]["on halves"] == 200
    # 100 + 20 + 36 models' worth of 25,000 images at 3.85 s, of two recipes.
    assert told["hours"] == pytest.approx(2 * 156 * 3.85 / 3600)
    code, said, _ = call("plan", "--images", "25000", "--recipe", "resnet9")
    assert "two recipes like resnet9 (24 epochs) on 25,000 training images" in said
    assert "NVIDIA H200" in said


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "plan: takes a CONFIG, or --images and --recipe without one"),
        (["--images", "9"], "plan: takes a CONFIG, or --images and --recipe without one"),
        (["--images", "9", "--recipe", "vit"], "--recipe: 'vit' was not measured; resnet9,"),
    ],
)
def test_a_plan_of_nothing_is_one_line(call, words, line):
    code, said, error = call("plan", *words)
    assert (code, said) == (1, "")
    assert line in error


def test_a_plan_is_of_a_config_or_of_a_recipe(repository, call):
    config = str(repository / EMBEDDED)
    code, _, error = call("plan", config, "--images", "9")
    assert (code, error) == (
        1,
        "modeldiff: plan: takes a CONFIG, or --images and --recipe, not both\n",
    )


def test_plan_prices_the_whole_study_and_keeps_nothing(call, config, tmp_path):
    """That it is right within 30% is shown by benchmarks/plan.py, on a machine of its own."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small(config)))
    code, said, _ = call("plan", "small.yaml", "--json")
    assert code == 0
    found = json.loads(said)
    assert (found["training_jobs"], found["device"]) == (10, "CPU")
    seconds = 10 * found["seconds_per_start"]
    for cost in found["algorithms"].values():
        assert cost["width"] == 15
        assert cost["seconds_per_full_model"] > 0
        seconds += 120 * cost["seconds_per_model"] + 4 * cost["seconds_per_full_model"]
    assert found["hours"] * 3600 == pytest.approx(seconds)
    assert found["cpu_hours_after"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def test_plan_foretells_what_takes_so_long_once_for_each_model_and_for_each_two(config, tmp_path):
    """Exactly, where a clock strikes as often as that is."""
    changed = {"results": str(tmp_path), "baselines": {"methods": ["predictions", "cka"]}}
    study = Study.load(small(config) | changed)
    dataset.prepare(study, tmp_path / "manifest.json")
    data = dataset.read(tmp_path / "manifest.json", study.key("dataset"))
    struck = []

    def compare(pool):
        struck.extend([0] * (30 + 20 * pool.models + 10 * pool.models**2))
        return np.zeros((pool.models, pool.models))

    pool = other_ways._untrained(study, ("plain", "masked"), data.test, data.classes, "cpu")
    measure = Measure(compare, "nothing", models=7)
    few = Study.load(study.config | {"baselines": {"models": 3}})
    for planned, models in ((study, 2 * study.full_models), (few, 6)):
        found = other_ways._measured(planned, measure, pool, lambda: len(struck) / 1e6)
        assert found * 1e6 == pytest.approx(30 + 20 * models + 10 * models**2)
    spent = other_ways.seconds(study, data, "cpu", time.process_time)
    assert set(spent) == {"predictions", "cka"}
    without = {k: v for k, v in study.config.items() if k != "baselines"}
    assert other_ways.seconds(Study.load(without), data, "cpu", time.process_time) == {}


def test_former_names_are_taken_and_said_to_be_former(call, config, capsys):
    assert "`give-up` is called `skip-missing` now" in call("give-up", "--help")[2]
    now = Study.load(config)
    config["comparison"]["flips"] = now.config["comparison"]["permutations"]
    assert capsys.readouterr().err == ""
    assert Study.load(config).config == now.config
    said = "modeldiff: comparison.flips is called `permutations` now\n"
    assert capsys.readouterr().err == said
    config["comparison"]["permutations"] = 39
    with pytest.raises(UserError, match=r"comparison\.flips: is not a key"):
        Study.load(config)


def test_a_former_value_is_taken_for_a_present_one_and_said_to_be_gone(config, capsys):
    config["comparison"]["rows"] = "root"
    assert Study.load(config).config["comparison"]["rows"] == "unit"
    said = "modeldiff: comparison.rows: `root` is no more, `unit` is taken\n"
    assert capsys.readouterr().err == said
