"""Which settings each result depends on, directly or through its inputs: same key, same result."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modeldiff.study.study import Study

# Raised when a room computes something else from the same settings, so that stale artifacts are
# made again: editing an installed package triggers nothing in Snakemake.
VERSIONS = {
    "dataset": 2,
    "beton": 1,
    "subsets": 1,
    "calibration": 1,
    "training": 2,
    "full": 1,
    "margins": 3,
    "grams": 1,
    "datamodels": 2,
    "scores": 1,
    "comparison": 8,
    "predictions": 1,
    "verification": 3,
    "trials": 1,
    "candidates": 1,
    "report": 2,
}
NO_SUBSETS: dict[str, Any] = {"alpha": 1.0, "models": 0, "evaluation": {"subsets": 0, "repeats": 0}}


def settings(study: "Study", room: str, *of: str) -> dict[str, Any]:
    """All settings that the result of `room` depends on, directly or through its inputs.

    of: the algorithm, or the two algorithms of a pair, where the room has one per those.
    """
    config = study.config
    own: dict[str, Any] = {"version": VERSIONS[room]}
    match room:
        case "dataset":
            own |= {"seed": study.seed, "dataset": config["dataset"]} | _code(study, "dataset")
        case "beton":
            own |= {"jpeg": config["training"]["jpeg"], "dataset": settings(study, "dataset")}
        case "subsets":
            own |= {"subsets": config["subsets"]} | settings(study, "dataset")
        case "calibration":
            own |= {k: config["training"][k] for k in ("gpu", "threads", "width")}
            own |= {"training": settings(study, "training", *of)}
        case "training" | "full":
            recipe = {k: v for k, v in config["algorithms"][of[0]].items() if k != "scores"}
            own |= {"name": of[0], "algorithm": recipe} | _code(study, f"algorithms.{of[0]}")
            own |= {"dataset": settings(study, "dataset")}
            if study.beton and config["training"]["jpeg"]:  # else both loaders give the same
                own |= {"jpeg": config["training"]["jpeg"]}
            if room == "training":
                drawn = config.get("subsets", NO_SUBSETS)
                own |= {k: drawn[k] for k in ("alpha", "evaluation")}
                own |= {"margin": config["training"]["margin"]}
        case "margins":
            own |= {"models": study.models, "training": settings(study, "training", *of)}
        case "grams":  # not of how many models: those that join are added
            own |= {"folds": config["datamodels"]["folds"]}
            own |= {"training": settings(study, "training", *of)}
        case "datamodels":
            own |= {"datamodels": study.regression, "margins": settings(study, "margins", *of)}
            own |= _code(study, "estimator")
        case "scores":
            entry = config["algorithms"][of[0]]
            computed = ("model", "preprocess", "code")
            trak = computed if study.scores[of[0]].name == "trak" else ()
            own |= {k: entry[k] for k in ("scores", *trak) if k in entry}
            own |= {"dataset": settings(study, "dataset")} | _code(study, f"scores.{of[0]}")
        case "comparison":
            own |= {k: v for k, v in config["comparison"].items() if k != "pairs"}
            own |= {"datamodels": [settings(study, study.weights(n)[0], n) for n in of]}
        case "predictions":
            own |= {"full": settings(study, "full", *of)}
            shown = {k: v for k, v in config["verification"].items() if k != "candidates"}
            own |= {"verification": shown}
            own |= _code(study, *(f"transformations.{t}" for t in study.transformations))
        case "verification":
            own |= {
                "predictions": [
                    settings(study, "predictions", name) for name in study.verified(*of)
                ]
            }
        case "trials":
            own |= {"models": study.candidates, "full": settings(study, "full", *of)}
        case "candidates":
            own |= {"trials": [settings(study, "trials", name) for name in of]}
            own |= {"comparison": settings(study, "comparison", *of)}
        case "report":
            own |= {"config": config} | _code(study, *study.code)
    return own


def _code(study: "Study", *entries: str) -> dict[str, Any]:
    """The fingerprints of these entries of the config, if there are any."""
    found = {entry: study.code[entry] for entry in entries if entry in study.code}
    return {"code": found} if found else {}


def digest(settings: Mapping[str, Any]) -> str:
    """The first 64 bits, hexadecimal, of SHA-256 over the settings as canonical JSON."""
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
