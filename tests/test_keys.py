"""Keys of studies without code or files of the user's own stay what they were, room by room.

A key that changes makes everybody's results of that room again. Where it must, `version` in
study/stages.py says so, and the figures here are replaced by those that the test shows.
"""

import pytest

from modeldiff.study import VERSIONS, Study

KEYS = {
    "config": {
        "dataset": "d9fd3e043e19981d",
        "beton": "f441550825e0395c",
        "subsets": "ed5058fe33ef87cd",
        "calibration/plain": "fe74152bf71ee32a",
        "calibration/masked": "e0944da6af5b259d",
        "training/plain": "6ee1501eadf31fc2",
        "training/masked": "3ee1ec7fda13b158",
        "full/plain": "d1177a1dd229ceac",
        "full/masked": "47fb6bc02fa32c44",
        "margins/plain": "3f77cf3f6eb8cec8",
        "margins/masked": "c4a4b1a0f5460a8a",
        "grams/plain": "a474179f072d1b22",
        "grams/masked": "8a433fffb85cfc28",
        "datamodels/plain": "8f65cb89eaed9824",
        "datamodels/masked": "4f25fccda83fdbcc",
        "comparison/plain/masked": "2117258eb83579db",
        "predictions/plain": "5e59f55f73736bf5",
        "predictions/masked": "e945c3dac4c3dca9",
        "verification/plain/masked": "20e1e0938a72a2f7",
        "trials/plain": "4735c0683365ab1b",
        "trials/masked": "b839e07bcf5823ed",
        "candidates/plain/masked": "1fe0f4ec3ca37841",
        "gradients/plain": "f1c2c682504b25ba",
        "gradients/masked": "ab1239d1e97cdcdc",
        "proposals/plain/masked": "f22ddb94d6b0ee50",
        "retraining/plain/masked/plain/1": "dd2fbb478293564e",
        "retraining/plain/masked/masked/1": "3bdd59867956d296",
        "retraining/plain/masked/masked/2": "a4eea923bc2fb805",
        "looks/plain/masked/1": "3f4f28a185c7e749",
        "proof/plain/masked": "0367e4f101c13eca",
        "mined/plain/masked": "300fdda5afbdaa81",
        "removal/plain/masked/plain": "a6ab76c19975e816",
        "baselines/plain/masked": "ec36e5aecb8ee4ff",
        "report": "d4f2653973ea8014",
    },
    "waterbirds-pretraining": {
        "dataset": "ecd76fd05870df86",
        "beton": "38f5014d9fe66f4f",
        "subsets": "a93fad9b63df2af0",
        "calibration/pretrained": "00b38db8796e5e75",
        "calibration/scratch": "7cbd24a68fe91770",
        "training/pretrained": "e387a6f8135d09d7",
        "training/scratch": "b15a024c20093f77",
        "full/pretrained": "f179532c283ff01f",
        "full/scratch": "15b43f79b9d6e31a",
        "margins/pretrained": "d096ef1006d26d36",
        "margins/scratch": "00a788548027a0bc",
        "grams/pretrained": "a120f957f96d9802",
        "grams/scratch": "cc1b4d9398c5fdfc",
        "datamodels/pretrained": "9dd41803c487828c",
        "datamodels/scratch": "2d903b0f30ea70dc",
        "comparison/pretrained/scratch": "b5ba2a4a3f548c78",
        "predictions/pretrained": "01615e59548b7fbe",
        "predictions/scratch": "84932a6c63c7ba74",
        "verification/pretrained/scratch": "b2b81ed7738cc8c1",
        "trials/pretrained": "3d9050fc09bccc00",
        "trials/scratch": "e7108f355954ec34",
        "candidates/pretrained/scratch": "9b07b3a5650548e4",
        "baselines/pretrained/scratch": "dcf5930ff84955bd",
        "report": "1406bcebb39cc061",
    },
}

PROVING = ("gradients", "proposals", "retraining", "looks", "proof", "mined", "removal")


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_of_a_study_without_own_code_stay(name, repository):
    study = Study.read(repository / f"config/{name}.yaml")
    keys = {where: study.key(*where.split("/")) for where in KEYS[name]}
    assert keys == KEYS[name]
    without = {"scores", "unlearning", "occlusion"} | ({*PROVING} if not study.proved else set())
    assert {where.split("/")[0] for where in keys} == VERSIONS.keys() - without
