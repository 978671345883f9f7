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


def test_a_config_without_a_preset_is_one_of_the_best(config):
    named = Study.load(config | {"preset": "best"})
    del config["preset"]
    assert Study.load(config).config == named.config
    by_keys = Study.load(config | {"preset": None})
    assert by_keys.config == named.config | {"preset": None}


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("training", "margin", "max"),
        ("datamodels", "estimator", "lasso"),
        ("comparison", "method", "residual"),
    ],
)
def test_a_key_that_is_set_goes_before_the_preset_that_nobody_named(config, section, key, value):
    expected = Study.load(config).config
    del config["preset"]
    config[section][key] = value
    found = Study.load(config).config
    assert found == expected | {"preset": None, section: expected[section] | {key: value}}


def test_what_contradicts_a_preset_is_named(config):
    config["comparison"]["method"] = "residual"
    words = "comparison.method: is 'residual', but the preset `best` sets 'contrast': remove"
    with pytest.raises(UserError, match=words):
        Study.load(config | {"preset": "best"})


@pytest.mark.parametrize("name", ["bets", ["best"]])
def test_a_preset_that_is_none(config, name):
    with pytest.raises(UserError, match=r"preset: is .*must be best or paper"):
        Study.load(config | {"preset": name})
