"""The table of stages: in order, complete, and the only place that rules and keys are made from."""

import re
from dataclasses import replace

import pytest
from conftest import small

from modeldiff.cli import rooms
from modeldiff.jobs import sharding
from modeldiff.study import VERSIONS, Study, inputs, stages
from modeldiff.study.sections import Datamodels
from modeldiff.study.stages import MAKERS, STAGES


def test_a_stage_reads_what_stages_before_it_make():
    order = list(STAGES)
    for stage in STAGES.values():
        read = [file for files in stage.inputs.values() for file in files]
        makers = {MAKERS[file].name for file in (*read, *stage.settings_of)}
        before = order[: order.index(stage.name)]
        # How fast models train is told for the settings of those that it is measured for, and a
        # round of retraining follows what was seen of the rounds before.
        after = {"calibration": {"training"}, "retraining": {"looks"}}.get(stage.name, set())
        assert makers <= {*before} | after


def test_no_two_stages_make_a_file_of_one_name_or_path():
    made = [(name, path) for stage in STAGES.values() for name, path in stage.files.items()]
    assert len({name for name, _ in made}) == len({path for _, path in made}) == len(made)
    assert len({stage.title for stage in STAGES.values()}) == len(STAGES)


def test_every_stage_has_a_rule_that_asks_for_it_alone_and_a_command(repository):
    found = {}
    for path in (repository / "rules").glob("*.smk"):
        for rule in re.split(r"^(?=rule |checkpoint )", path.read_text(), flags=re.M)[1:]:
            asked = r'\b(?:reads|writes|log_of|benchmark_of|key)\("(\w+)"\)'
            names = re.findall(asked, rule)
            if names:  # not `check_data`, which makes nothing
                assert len(set(names)) == 1, rule
                found[names[0]] = len(names)
    assert found == {name: 5 if stage.inputs else 4 for name, stage in STAGES.items()}
    # `train --full` and `proof --rounds`.
    titles = {stage.title for stage in STAGES.values()}
    assert {command.name for command in rooms.COMMANDS} == titles - {"full", "looks"}


def test_paths_are_those_of_a_study_s_folder():
    assert stages.path("shards", "plain", 0, 250) == "plain/shards/0-250.npy"
    assert stages.path("shards") == "{algorithm}/shards/{first}-{stop}.npy"
    assert stages.path("lds", "{a}") == "{a}/lds.npz"
    assert stages.log("fit", "plain", 1, 4) == "logs/fit/plain-1-of-4.log"
    assert stages.log("training") == "logs/train/{algorithm}-{first}-{stop}.log"
    assert stages.benchmark("dataset") == "benchmarks/dataset.tsv"
    assert str(stages.beside("elsewhere/manifest.json", "train")) == "elsewhere/train.npy"
    with pytest.raises(ValueError, match="shorter"):
        stages.path("shards", "plain")


FOLLOWS = {
    "dataset": {*VERSIONS} - {"scores", "report"},
    "subsets": {"subsets"},
    "training": {"calibration", "training", "margins", "grams", "datamodels", "comparison"},
    "margins": {"margins", "datamodels", "comparison", "candidates"},
    "full": {"full", "predictions", "verification", "trials", "candidates", "gradients"},
    "report": {"report"},
}
FOLLOWS["training"] |= {"candidates", "occlusion"}
FOLLOWS["margins"] |= {"occlusion"}
FOLLOWS["full"] |= {"proposals", "retraining", "looks", "proof", "baselines"}
FOLLOWS["full"] |= {"mined", "removal", "occlusion", "unlearning"}
FOLLOWS["mined"] = {"mined", "removal"}
FOLLOWS["looks"] = {"looks", "retraining"}  # of the rounds after


@pytest.mark.parametrize("name", FOLLOWS)
def test_a_new_version_of_a_stage_makes_what_follows_again(name, study, monkeypatch):
    proving = Study.load(study.config | {"proof": {}})
    a, b = study.pairs[0]
    names = {"study": (), "algorithm": (a,), "models": (a,), "pair": (a, b)}
    names |= {"retrained": (a, b, a, "2"), "look": (a, b, "1"), "side": (a, b, a)}

    def keys():
        found = {}
        for stage in VERSIONS.keys() - {"scores"}:
            found[stage] = proving.key(stage, *names[STAGES[stage].per])
        return found

    before = keys()
    raised = replace(STAGES[name], version=STAGES[name].version + 1)
    monkeypatch.setitem(STAGES, name, raised)
    after = keys()
    assert {stage for stage in before if before[stage] != after[stage]} == FOLLOWS[name]


def test_an_input_is_whole_or_absent(config, tmp_path):
    """Of a pair of which one side has scores, no models are given, neither masks nor margins."""
    config = small(config)
    scores = tmp_path / "theirs.npy"
    scores.touch()
    config["algorithms"]["plain"]["scores"] = {"path": str(scores)}
    config["algorithms"]["other"] = config["algorithms"]["masked"]
    config["comparison"] = {"pairs": [["plain", "masked"], ["masked", "other"]]}
    config["comparison"]["method"] = "residual"
    config["preset"] = None
    mixed = Study.load(config)
    assert inputs.files(mixed, "comparison", "models", "plain", "masked") == []
    assert inputs.files(mixed, "comparison", "models", "masked", "other") == [
        ("masks",),
        ("margins", "masked"),
        ("margins", "other"),
    ]
    weights = [("scores", "plain"), ("datamodels", "masked"), ("datamodels", "other")]
    assert inputs.files(mixed, "comparison", "weights", "plain", "masked") == weights[:2]
    assert inputs.files(mixed, "report", "weights") == weights
    assert inputs.files(mixed, "training", "beton", "masked") == []


def test_jobs_of_a_stage(study, tmp_path):
    jobs = sharding.jobs(study, "training", ("plain",), tmp_path)
    assert jobs == [("plain", start, start + 30) for start in range(0, 120, 30)]
    assert sharding.jobs(study, "fit", ("plain",), tmp_path) == []  # one job fits all
    parts = replace(study, datamodels=Datamodels(jobs=2))
    assert sharding.jobs(parts, "fit", ("plain",), tmp_path) == [("plain", 0, 2), ("plain", 1, 2)]
    assert sharding.jobs(study, "comparison", ("plain", "masked"), tmp_path) == [
        ("plain", "masked")
    ]
