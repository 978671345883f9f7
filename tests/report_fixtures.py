"""Fixtures of the report's tests: studies with all their results and their report."""

from pathlib import Path

import pytest
import report_studies
from conftest import EMBEDDED, small

from modeldiff import report
from modeldiff.report import results
from modeldiff.report.results import Results
from modeldiff.study.validation import parse


@pytest.fixture(scope="session")
def study_json(repository, tmp_path_factory) -> Path:
    """A small study with all its results and its report."""
    config = small(parse(repository / EMBEDDED))
    config["baselines"] = {"methods": ["predictions", "cka"]}
    path = report_studies.build(config, tmp_path_factory.mktemp("r"))
    report.write(path)
    return path


@pytest.fixture(scope="session")
def loaded(study_json) -> Results:
    return results.read(study_json)


@pytest.fixture(scope="session")
def hostile_json(repository, tmp_path_factory) -> Path:
    """The same with candidates, and classes named like markup; they also stand in the config."""
    config = small(parse(repository / EMBEDDED))
    config["dataset"]["name"] = "report_studies:hostile"
    config["dataset"]["plant"]["class"] = report_studies.HOSTILE[0]
    config["verification"]["transformations"]["watermark"]["class"] = report_studies.HOSTILE[0]
    config["verification"]["candidates"] = 4
    config["baselines"] = {"methods": ["predictions", "jst", "report_studies:distances"]}
    path = report_studies.build(config, tmp_path_factory.mktemp("hostile"))
    report.write(path)
    return path
