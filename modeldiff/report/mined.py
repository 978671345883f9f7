"""What a study says of the features behind proved differences, in words and pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modeldiff.dataset import Dataset, as_float
from modeldiff.mining import pictures, removal
from modeldiff.mining.evidence import first_shown
from modeldiff.mining.pictures import MinedDirection, MinedFeature
from modeldiff.proof.effect import FEW
from modeldiff.report import images
from modeldiff.report.words import points
from modeldiff.study import Study, stages

RED = np.array([230, 30, 0])[:, None, None]


@dataclass(frozen=True)
class Mined:
    """A direction, with what its features are shown on.

    removals: rows of the removal tables by algorithm and kind of feature. samples: test images,
    uint8 [shown x channels x height x width]; sources: training images, likewise.
    """

    direction: MinedDirection
    removals: dict[tuple[str, str], dict[str, Any]]
    samples: np.ndarray
    sources: np.ndarray

    @property
    def first(self) -> MinedFeature | None:
        """The feature to show first; None if none is found."""
        found = self.direction.found
        place = first_shown(
            kinds=[one.feature.kind for one in found],
            falls=[self._fall(one) for one in found],
            differences=[float(one.row["difference"]) for one in found],
            changes=[one.row["change"] for one in found],
        )
        return None if place is None else found[place]

    def removal(self, one: MinedFeature, name: str) -> dict[str, Any]:
        """What leaving out training images does to a feature's effect on an algorithm."""
        return self.removals[name, one.feature.kind]

    def _fall(self, one: MinedFeature) -> float:
        """How far the mover is moved less without these training images; NaN if it is not sure."""
        row = self.removal(one, self.direction.mover)
        return float(row["fall"]) if row["low"] > 0 else np.nan

    @property
    def sentence(self) -> str:
        """What was found, or that nothing was, in one sentence."""
        of = self.direction
        first = self.first
        if first is None:
            return f"No feature found that moves {of.mover} to class {of.label} and {of.other} less"
        row = first.row
        moved = f"moves {of.mover} towards class {of.label} by {points(row['mover_effect'])} points"
        comma = "," if first.feature.kind == "patch" else ""
        return f"{described(first)}{comma} {moved}, {of.other} by {points(row['other_effect'])}"

    @property
    def tried(self) -> int:
        """How many features were tried."""
        return sum(int(one.row["tried"]) for one in self.direction.features)

    @property
    def leaves_other(self) -> bool:
        """Whether the first feature surely moves the other less than a quarter as far."""
        assert self.first is not None
        row = self.first.row
        furthest = max(abs(row["other_low"]), abs(row["other_high"]))
        return bool(furthest <= FEW * row["mover_effect"])

    @property
    def link(self) -> str:
        """What leaving out training images does to it, in one sentence."""
        if self.first is None:
            return ""
        row = self.removal(self.first, self.direction.mover)
        images_left_out = f"the {row['left_out']} training images that the difference weighs most"
        by = f"{self.direction.mover} by {points(row['group_effect'])} points"
        instead = f"and by {points(row['random_effect'])} without as many random others"
        if row["low"] > 0:
            return f"It goes with its images: without {images_left_out}, it moves {by}, {instead}"
        return (
            f"It is not shown to go with {images_left_out}: without them it moves {by}, {instead}"
        )

    def before(self) -> list[str]:
        """Test images as they are, as data URIs."""
        return [images.small(image) for image in self.samples]

    def after(self, one: MinedFeature) -> list[str]:
        """The same images with a feature."""
        changed = np.clip(one.feature.on(as_float(self.samples)), 0, 1)
        return [images.small(image) for image in np.round(changed * 255).astype(np.uint8)]

    def heat(self) -> list[str]:
        """Training images with what sets the two apart in red, as data URIs."""
        hottest = max(float(self.direction.heats.max(initial=0)), 1e-9)
        pairs = zip(self.sources, self.direction.heats, strict=True)
        return [images.small(heated(image, one / hottest)) for image, one in pairs]


def described(one: MinedFeature) -> str:
    """A feature in a few words."""
    feature = one.feature
    (top, left), (height, width) = feature.box
    if feature.setting is not None:
        part, strength = feature.setting
        options = ", ".join(f"{key} {value}" for key, value in part.options.items())
        return f"The edit {part.name}{f' ({options})' if options else ''} at strength {strength:g}"
    if feature.kind == "patch":
        where = "at random places" if feature.anywhere else f"at row {top}, column {left}"
        return f"A part of training image {feature.source}, {height} x {width} pixels, {where}"
    if feature.kind == "learned patch":
        return f"A learned patch over {feature.mask.mean():.0%} of the image"
    most = float(np.abs(feature.picture).max())
    return f"A learned pattern of at most {most:.0%} of full brightness"


def heated(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A grey image with red where it is hot: uint8 [3 x height x width].

    image: uint8 [channels x height x width]; heat: [height x width], hottest 1.
    """
    grey = 0.5 * image.mean(0) + 100
    share = np.clip(heat, 0, 1)
    shown: np.ndarray = np.round((1 - share) * grey + share * RED).astype(np.uint8)
    return shown


def read(study: Study, folder: Path, data: Dataset, a: str, b: str) -> tuple[Mined, ...]:
    """All of a pair: those of which a feature is found first, by the size of the difference."""
    if (a, b) not in study.mined:
        return ()
    directions = pictures.read(study, (a, b), folder / stages.path("mined", a, b))
    tables = [folder / stages.path("removal", a, b, name) for name in (a, b)]
    rows = removal.read(study, (a, b), tables)
    found = []
    for direction in directions:
        own = {}
        for row in rows:
            if row["proposal"] == direction.number:
                own[row["algorithm"], row["kind"]] = row
        mined = Mined(
            direction=direction,
            removals=own,
            samples=data.test.images[direction.images],
            sources=data.train.images[direction.sources],
        )
        found.append(mined)
    return tuple(sorted(found, key=_order))


def _order(mined: Mined) -> tuple[bool, float]:
    first = mined.first
    return first is None, -first.row["difference"] if first else 0.0


def summary(mined: Mined, a: str, b: str) -> dict[str, Any]:
    """A direction as it stands in summary.json."""
    of = mined.direction
    features: list[dict[str, Any]] = []
    for one in of.features:
        row = one.row
        feature = {
            "kind": row["kind"],
            "words": described(one),
            "tried": int(row["tried"]),
            "change": row["change"],
            "edit": row["edit"],
            "options": row["options"],
            "found": one.found,
            "first": one is mined.first,
            "mover": _effect(row, "mover_effect", "mover_low", "mover_high"),
            "other": _effect(row, "other_effect", "other_low", "other_high"),
            "difference": _effect(row, "difference", "low", "high"),
        }
        features.append(feature)
    removals: list[dict[str, Any]] = []
    for row in mined.removals.values():
        removed = {
            "algorithm": row["algorithm"],
            "kind": row["kind"],
            "left_out": int(row["left_out"]),
            "without_random": _effect(row, "random_effect", "random_low", "random_high"),
            "without_group": _effect(row, "group_effect", "group_low", "group_high"),
            "fall": _effect(row, "fall", "low", "high"),
        }
        removals.append(removed)
    return {
        "a": a,
        "b": b,
        "proposal": of.number,
        "mover": of.mover,
        "other": of.other,
        "class": of.label,
        "sentence": mined.sentence,
        "features": features,
        "removal": removals,
    }


def _effect(row: dict[str, Any], *names: str) -> list[float | None]:
    """An effect and the two ends of its interval; null where they are not known."""
    return [float(row[name]) if np.isfinite(row[name]) else None for name in names]
