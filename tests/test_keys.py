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
        "subsets": "b5ff9d44e5cde2ed",
        "calibration/plain": "fe74152bf71ee32a",
        "calibration/masked": "e0944da6af5b259d",
        "training/plain": "6ee1501eadf31fc2",
        "training/masked": "3ee1ec7fda13b158",
        "full/plain": "d1177a1dd229ceac",
        "full/masked": "47fb6bc02fa32c44",
        "margins/plain": "c555506fc6c1ccf9",
        "margins/masked": "7e50b4c36ed4a54d",
        "grams/plain": "a474179f072d1b22",
        "grams/masked": "8a433fffb85cfc28",
        "datamodels/plain": "32fca9c6359dfa8b",
        "datamodels/masked": "1ff0b1299ec642aa",
        "comparison/plain/masked": "215f4aecd32becfd",
        "predictions/plain": "46795aadc3fa0484",
        "predictions/masked": "c4bce8d8fb5aaeec",
        "verification/plain/masked": "cb8940c0f8f49462",
        "trials/plain": "4735c0683365ab1b",
        "trials/masked": "b839e07bcf5823ed",
        "candidates/plain/masked": "2dbd62a67c06fbf6",
        "gradients/plain": "f1c2c682504b25ba",
        "gradients/masked": "ab1239d1e97cdcdc",
        "proposals/plain/masked": "f22ddb94d6b0ee50",
        "retraining/plain/masked/plain": "52d30f0b12fc7000",
        "retraining/plain/masked/masked": "ce7ed57a488ce53b",
        "proof/plain/masked": "048c1b419f6443af",
        "report": "2c7d3eeeafe15df8",
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
        "comparison/pretrained/scratch": "00f518c0af82373b",
        "predictions/pretrained": "f23b5787bdaba1b0",
        "predictions/scratch": "e07c303746d4c78c",
        "verification/pretrained/scratch": "d25d968603d8913d",
        "trials/pretrained": "3d9050fc09bccc00",
        "trials/scratch": "e7108f355954ec34",
        "candidates/pretrained/scratch": "ea4b923126567476",
        "report": "88790ec1c2b0f657",
    },
}

PROVING = ("gradients", "proposals", "retraining", "proof")


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_of_a_study_without_own_code_stay(name, repository):
    study = Study.read(repository / f"config/{name}.yaml")
    keys = {where: study.key(*where.split("/")) for where in KEYS[name]}
    assert keys == KEYS[name]
    without = {"scores"} if study.proved else {"scores", *PROVING}
    assert {where.split("/")[0] for where in keys} == VERSIONS.keys() - without
