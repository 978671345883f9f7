"""Entries of a config, typed: an algorithm, the plant, a transformation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modeldiff.study.components import Component
from modeldiff.study.estimators import is_estimator


@dataclass(frozen=True)
class Algorithm:
    """A learning algorithm: every train-time choice."""

    model: Component
    preprocess: tuple[Component, ...]
    augment: tuple[Component, ...]
    flip_average: bool
    train: Component | None  # the user's own training function, instead of all below
    optimizer: Component | None
    schedule: Component | None
    epochs: int
    batch: int
    label_smoothing: float
    precision: str
    ema: float | None  # decay per step
    without: str | None  # a group that it is never trained on: see `dataset.groups`
    trains: int  # models trained in place of one
    finish: Component | None  # what makes one model of those
    forget: str | None  # the group that `finish` is told to forget

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Algorithm":
        """From a checked config entry."""
        return cls(
            model=Component.of(entry["model"]),
            preprocess=tuple(map(Component.of, entry["preprocess"])),
            augment=tuple(map(Component.of, entry.get("augment", ()))),
            flip_average=entry["flip_average"],
            train=_component(entry, "train"),
            optimizer=_component(entry, "optimizer"),
            schedule=_component(entry, "schedule"),
            epochs=entry.get("epochs", 0),
            batch=entry.get("batch", 0),
            label_smoothing=entry.get("label_smoothing", 0.0),
            precision=entry.get("precision", "float32"),
            ema=entry.get("ema"),
            without=entry.get("without"),
            trains=entry.get("trains", 1),
            finish=_component(entry, "finish", "forget"),
            forget=entry.get("finish", {}).get("forget"),
        )

    @property
    def trained(self) -> bool:
        """Whether it says how to train; the model of given checkpoints need not."""
        how = self.train is not None or self.optimizer is not None
        return how or is_estimator(self.model.name)


def _component(entry: Mapping[str, Any], key: str, *own: str) -> Component | None:
    """The part under a key that an entry may leave out; own: as for `Component.of`."""
    return Component.of(entry[key], *own) if key in entry else None


@dataclass(frozen=True)
class Plant:
    """A known difference put into the data: a feature, its label, and on how many images."""

    feature: Component
    label: str  # class name
    train: int
    test: float  # share of all test images

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Plant":
        """From a checked config entry."""
        return cls(
            feature=Component(entry["feature"], entry.get("options", {})),
            label=entry["class"],
            train=entry["train"],
            test=entry["test"],
        )


@dataclass(frozen=True)
class Transformation:
    """A feature transformation to verify: which, towards which class, how strongly."""

    part: Component
    target: str  # class name
    strengths: tuple[float, ...]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "Transformation":
        """From a checked config entry."""
        return cls(
            part=Component.of(entry, "class", "strengths"),
            target=entry["class"],
            strengths=tuple(entry["strengths"]),
        )
