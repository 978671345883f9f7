"""A preset is a word for keys: it sets them, and refuses what contradicts it."""

import pytest

from modeldiff.core.errors import UserError
from modeldiff.study import Study
from modeldiff.study.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_its_keys(config, name):
    del config["datamodels"], config["training"]
    config["comparison"] = {"pairs": config["comparison"]["pairs"]}
    study = Study.load(config | {"preset": name})
    for section, keys in PRESETS[name].items():
        assert keys.items() <= study.config[section].items()


def test_what_contradicts_a_preset_is_named(config):
    config["comparison"]["method"] = "residual"
    words = "comparison.method: is 'residual', but the preset `best` sets 'contrast': remove"
    with pytest.raises(UserError, match=words):
        Study.load(config | {"preset": "best"})


@pytest.mark.parametrize("name", ["bets", ["best"]])
def test_a_preset_that_is_none(config, name):
    with pytest.raises(UserError, match=r"preset: is .*must be best or paper"):
        Study.load(config | {"preset": name})
