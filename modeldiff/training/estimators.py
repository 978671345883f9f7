"""Classifiers of scikit-learn's, as modules that are used, kept and compared like any other.

What is kept of a fitted classifier is its seed: files of Python objects are not safe to open. From
the seed and the same examples the same classifier is fitted again, wherever it is needed.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from modeldiff.core.errors import UserError, described
from modeldiff.study import components, kinds
from modeldiff.study.components import Component
from modeldiff.study.estimators import is_estimator
from modeldiff.study.kinds import TEXT, decoded

SMALLEST = 1e-6  # probability that a logit is taken of
SEEDS = 2**32  # that scikit-learn takes
UNFITTED = -1


class EstimatorModule(nn.Module):
    """Classifiers by their seeds. The buffer `seed` says which one computes the logits."""

    seed: Tensor

    def __init__(self, part: Component, classes: int):
        super().__init__()
        self.part = part
        self.classes = classes
        self.fitted: dict[int, Any] = {}
        self.register_buffer("seed", torch.tensor(UNFITTED, dtype=torch.int64))

    def fit(self, examples: Tensor, labels: Tensor, seed: int) -> None:
        """Fit a new classifier to examples [n x ...]: see `_given`.

        All its randomness, and that of classifiers in it, comes from `seed`, unless the config
        gives it a `random_state` of its own.
        """
        estimator = _made(self.part.name, self.part.options)
        given = estimator.get_params()
        states = {}
        for name, value in given.items():
            if name.split("__")[-1] == "random_state" and value is None:
                states[name] = seed % SEEDS
        estimator.set_params(**states)
        estimator.fit(_given(examples), labels.cpu().numpy())
        self.fitted[seed] = estimator

    def forward(self, examples: Tensor) -> Tensor:
        """Logits, float32 [n x classes], of the classifier of `seed`; zeros of an unfitted one."""
        seed = int(self.seed)
        if seed == UNFITTED:
            return torch.zeros(len(examples), self.classes, device=examples.device)
        found = logits(self.part.name, self.fitted[seed], _given(examples), self.classes)
        return torch.from_numpy(found).to(examples.device)


def _given(examples: Tensor) -> np.ndarray | list[str]:
    """Examples as scikit-learn takes them: float32 [n x values], or texts for a vectorizer."""
    array = examples.detach().cpu().numpy()
    return decoded(array) if kinds.of_array(array) is TEXT else array.reshape(len(array), -1)


def logits(name: str, estimator: Any, values: np.ndarray | list[str], classes: int) -> np.ndarray:
    """Logits of a fitted classifier, float32 [n x classes].

    Its `decision_function` where it has one, which for linear and boosted models are log-odds; else
    the logarithm of its probabilities, none smaller than `SMALLEST`. values: as `_given` has them.
    A class that it has not seen has the logit of that probability.
    """
    if hasattr(estimator, "decision_function"):
        of_seen = estimator.decision_function(values)
        if of_seen.ndim == 1:  # two classes: how far above the first the second is
            of_seen = np.stack([-of_seen / 2, of_seen / 2], 1)
    elif hasattr(estimator, "predict_proba"):
        of_seen = np.log(np.clip(estimator.predict_proba(values), SMALLEST, 1))
    else:
        what = "has neither decision_function nor predict_proba"
        raise UserError(f"model {name}: {what}; must be a classifier with one of them")
    seen = estimator.classes_
    if of_seen.shape != (len(values), len(seen)):
        what = f"decides by {described(of_seen)}"
        raise UserError(f"model {name}: {what}; must be a value for each of {len(seen)} classes")
    found = np.full((len(values), classes), np.log(SMALLEST), np.float32)
    found[:, seen] = of_seen
    return found


def _made(name: str, options: Mapping[str, Any]) -> Any:
    """A classifier or a step of one, by its name; options that are such parts are made, too."""
    function = components.load(name)
    unknown = set(options) - set(inspect.signature(function).parameters)
    if unknown and not _takes_any(function):
        raise UserError(f"model {name}: has no option {', '.join(sorted(unknown))}")
    return function(**{key: _value(value) for key, value in options.items()})


def _takes_any(function: Any) -> bool:
    kinds = [each.kind for each in inspect.signature(function).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds


def _value(value: Any) -> Any:
    """An option: a part of scikit-learn's where it names one, e.g. the steps of a pipeline."""
    if isinstance(value, list):
        return [_value(each) for each in value]
    if isinstance(value, Mapping) and is_estimator(str(value.get("name", ""))):
        options = {key: each for key, each in value.items() if key != "name"}
        return _made(value["name"], options)
    return value
