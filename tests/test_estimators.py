"""Classifiers of scikit-learn's as algorithms: fitted, used and refitted as scikit-learn does."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from modeldiff import dataset
from modeldiff.core import artifacts, rng
from modeldiff.core.errors import UserError
from modeldiff.study import Study
from modeldiff.study.components import Component
from modeldiff.study.on_data import on_data
from modeldiff.training import Member, engine, shard
from modeldiff.training.estimators import SEEDS, EstimatorModule, logits

LINEAR = {"model": {"name": "sklearn:linear_model.LogisticRegression", "C": 0.5}}
FOREST = {"model": {"name": "sklearn:ensemble.RandomForestClassifier", "n_estimators": 5}}
SCALED = {"name": "sklearn:preprocessing.StandardScaler"}
VECTORS = {"name": "sklearn:svm.SVC", "C": 2.0}
PIPELINE = {
    "model": {"name": "sklearn:pipeline.Pipeline", "steps": [["scale", SCALED], ["svc", VECTORS]]}
}


def config(a=LINEAR, b=FOREST, **changed):
    return {
        "study": "estimators",
        "dataset": {"name": "sklearn", "table": "breast_cancer"},
        "subsets": {"models": 120, "evaluation": {"subsets": 50, "repeats": 1}},
        "algorithms": {"a": a, "b": b},
        "comparison": {"pairs": [["a", "b"]]},
        "verification": {"models": 3},
    } | changed


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    study = Study.load(config())
    manifest = tmp_path_factory.mktemp("table") / "manifest.json"
    dataset.prepare(study, manifest)
    return dataset.opened(study, manifest)


def fitted(study, name, data, members):
    return engine.train(study.algorithms[name], data.train, 2, members, width=10)


def test_a_model_is_what_scikit_learn_fits_to_the_subset(prepared):
    study, data = prepared
    examples = np.arange(0, 400, 3)
    member = Member(identity=(0, "a", 7), examples=examples)
    (trained,) = fitted(study, "a", data, [member])
    own = LogisticRegression(C=0.5).fit(data.train.images[examples], data.train.labels[examples])
    found = trained.logits(data.test.images)[0].numpy()
    log_odds = own.decision_function(data.test.images)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], log_odds, rtol=1e-4)


def test_the_seed_of_a_model_is_that_of_its_identity(prepared):
    study, data = prepared
    examples = np.arange(200)
    members = [Member(identity=(0, "b", m), examples=examples) for m in range(3)]
    found = [
        group.logits(data.test.images)[0].numpy() for group in fitted(study, "b", data, members)
    ]
    assert not np.array_equal(found[0], found[1])
    seed = rng.seed("estimator", *members[1].identity)
    own = RandomForestClassifier(5, random_state=seed % SEEDS)
    own.fit(data.train.images[examples], data.train.labels[examples])
    share = own.predict_proba(data.test.images)
    np.testing.assert_allclose(found[1], np.log(np.clip(share, 1e-6, 1)), rtol=1e-5)


def test_models_on_all_data_are_kept_as_seeds_and_fitted_again(prepared, tmp_path):
    study, data = prepared
    path = tmp_path / "full.npz"
    shard.train_full(study, "b", data, range(3), path, device="cpu")
    assert set(artifacts.arrays(path, study.key("full", "b"))) == {"seed"}
    (again,) = shard.load_full(study, "b", data, [path], device="cpu")
    members = []
    for m in range(3):
        identity = (study.seed, "b", "full", m)
        members.append(Member(identity=identity, examples=np.arange(len(data.train.labels))))
    first = [group.logits(data.test.images) for group in fitted(study, "b", data, members)]
    torch.testing.assert_close(again.logits(data.test.images), torch.cat(first))
    (last,) = shard.load_full(study, "b", data, [path], device="cpu", first=1, skip=2)
    torch.testing.assert_close(last.logits(data.test.images), first[2])


def test_a_pipeline_is_configured_from_its_parts(prepared):
    _, data = prepared
    study = on_data(Study.load(config(a=PIPELINE)), data.columns, data.alphabet, data.train.images)
    member = Member(identity=(0,), examples=np.arange(300))
    (trained,) = fitted(study, "a", data, [member])
    steps = trained.module.fitted[rng.seed("estimator", 0)].named_steps
    assert (steps["svc"].C, steps["svc"].random_state is not None) == (2.0, True)
    right = trained.logits(data.test.images)[0].argmax(1).numpy() == data.test.labels
    assert right.mean() > 0.9


def test_a_class_that_was_not_seen_is_never_likely():
    values = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    estimator = LogisticRegression().fit(values, [0, 0, 2, 2])
    found = logits("here", estimator, values, 3)
    assert (found[:, 1] < -13).all()
    np.testing.assert_allclose(found[:, 2] - found[:, 0], estimator.decision_function(values), 1e-5)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"name": "sklearn:linear_model.LogisticRegression", "D": 1}, "has no option D"),
        ({"name": "sklearn:cluster.KMeans", "n_clusters": 2}, "neither decision_function nor"),
    ],
)
def test_what_is_no_classifier_is_one_line(options, line):
    with pytest.raises(UserError, match=line):
        fit_and_use(EstimatorModule(Component.of(options), 2))


def fit_and_use(module):
    values = torch.arange(8.0)[:, None]
    module.fit(values, torch.arange(8) % 2, 5)
    module.seed.fill_(5)
    module(values)


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"proof": {}},
            "proof.proposals: the model of a is scikit-learn's, which has no gradients",
        ),
        ({"proof": {"proposals": 0}}, "proof.proposals: is 0, and there are no"),
        ({"baselines": {"methods": ["cka"]}}, "baselines.methods.0: is cka, but the model of a is"),
        (
            {"datamodels": {"prior": "gradients"}},
            "datamodels.prior: the model of a is scikit-learn",
        ),
        (
            {"a": LINEAR | {"epochs": 3}},
            "algorithms.a: is not used together with `train` or a model of sci",
        ),
        (
            {"a": LINEAR | {"finish": {"name": "json:dumps"}}},
            "algorithms.a.finish: is for torch mod",
        ),
        ({"a": {"model": {"name": "sklearn:LogisticRegression"}}}, "cannot import"),
        ({"a": {"model": {"name": "sklearn:linear_model.Logistic"}}}, "cannot import"),
    ],
)
def test_what_a_model_of_scikit_learn_does_not_have_is_one_line(changed, line):
    with pytest.raises(UserError, match=line):
        Study.load(config(**changed))


def test_directions_are_proved_without_gradients():
    study = Study.load(config(proof={"proposals": 0, "directions": 1}))
    assert study.proved == (("a", "b"),)
    assert study.differentiated == ()
    assert study.proof.sources == ("direction", "direction")
