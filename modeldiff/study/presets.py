"""Named choices of method, so that a page can say in one word how a study was made."""

from collections.abc import Iterator, Mapping
from typing import Any

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    # ModelDiff (Shah et al., ICML 2023), as the authors' notebooks do it.
    "paper": {
        "training": {"margin": "max"},
        "datamodels": {"estimator": "lasso"},
        "comparison": {"method": "residual", "rows": "unit"},
    },
    # Silent where nothing differs (measured: docs/when-not-to-believe-a-direction.md).
    "best": {
        "training": {"margin": "log_odds"},
        "datamodels": {"estimator": "ridge"},
        "comparison": {"method": "contrast"},
    },
}
DEFAULT = "best"  # what the sections' defaults say key by key, too


def fill(config: dict[str, Any]) -> None:
    """Set the keys of the config's preset that are not set; without a preset, the default's."""
    if "preset" not in config:
        config["preset"] = None if _departs(config) else DEFAULT
    for section, keys in _of(config).items():
        part = config.setdefault(section, {})
        if isinstance(part, dict):
            part |= keys | part


def contradicted(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each key that says something else than the config's preset, and what is wrong."""
    for section, keys in _of(config).items():
        for key, value in keys.items():
            if config[section][key] != value:
                what = f"is {config[section][key]!r}, but the preset `{config['preset']}` sets"
                yield (section, key), f"{what} {value!r}: remove this key, or the preset"


def _departs(config: Mapping[str, Any]) -> bool:
    """Whether a config sets a key otherwise than the default preset does."""
    for section, keys in PRESETS[DEFAULT].items():
        part = config.get(section)
        if isinstance(part, dict) and keys | part != part | keys:
            return True
    return False


def _of(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    name = config.get("preset")
    return PRESETS.get(name, {}) if isinstance(name, str) else {}
