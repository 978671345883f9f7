"""What stands in the sections of a config is what the code has: names, options, defaults."""

import inspect
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from modeldiff import transformations
from modeldiff.datamodels import regression
from modeldiff.dataset import sources
from modeldiff.study import presets, sections
from modeldiff.study.algorithm_section import Augmentation, Step
from modeldiff.study.dataset_section import Dataset, DatasetKeys
from modeldiff.study.finish_section import Finish
from modeldiff.study.model_section import Model
from modeldiff.study.section import names_of, parts_of
from modeldiff.study.transformation_section import Transformation, TransformationKeys
from modeldiff.training import augment, finishing, models

BUILT_IN = {
    "models": (Model, models.MODELS, {"name"}),
    "preprocess": (Step, augment.PREPROCESS, {"name"}),
    "augment": (Augmentation, augment.AUGMENT, {"name"}),
    "finishes": (Finish, finishing.FINISHES, {"name"}),
    "data sets": (Dataset, sources.BUILT_IN, set(DatasetKeys.model_fields)),
    "transformations": (
        Transformation,
        transformations.BUILT_IN,
        set(TransformationKeys.model_fields),
    ),
}


@pytest.mark.parametrize(("parts", "functions", "keys"), BUILT_IN.values(), ids=BUILT_IN)
def test_a_part_has_a_function_of_its_name_that_takes_its_options(parts, functions, keys):
    assert names_of(parts) == list(functions)
    for part in parts_of(parts):
        options = {key: field for key, field in part.model_fields.items() if key not in keys}
        for name in names_of(part):
            taken = inspect.signature(functions[name]).parameters.values()
            defaults = {each.name: each.default for each in taken if each.kind == each.KEYWORD_ONLY}
            assert options.keys() <= defaults.keys(), name
            for key, default in defaults.items():
                if key not in options:
                    assert default is not inspect.Parameter.empty, f"{name}.{key}"
                elif default is not inspect.Parameter.empty and options[key].default is not None:
                    assert np.array_equal(options[key].default, default), f"{name}.{key}"


def test_the_estimators_are_those_that_fit_takes():
    names, _ = get_args(sections.Datamodels.model_fields["estimator"].annotation)
    assert get_args(names) == regression.ESTIMATORS


def test_the_presets_are_those_of_the_sections():
    names = get_args(sections.Config.model_fields["preset"].annotation)
    assert set(names) == {*presets.PRESETS, None}


def test_the_default_preset_sets_the_defaults():
    for section, keys in presets.PRESETS[presets.DEFAULT].items():
        fields = sections.Config.model_fields[section].annotation.model_fields
        assert keys == {key: fields[key].default for key in keys}


@pytest.mark.parametrize("wrong", [{"threads": True}, {"threads": 2.0}, {"thraeds": 2}])
def test_a_section_takes_no_other_type_and_no_other_key(wrong):
    with pytest.raises(ValidationError):
        sections.Training(**wrong)
