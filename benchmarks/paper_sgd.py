"""Case study C beside the paper's figures: what its patches do under three settings of SGD.

    python benchmarks/paper_sgd.py results/cifar10-sgd-cpu

Reads a finished study of `config/cifar10-sgd*.yaml`, and writes the tables of docs/cifar10-sgd.md
and its picture. Intervals: 95%, bootstrap over images, which the three settings share, and over
each one's models.
"""

import argparse
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from modeldiff.core import artifacts
from modeldiff.study import Study

PAGE = Path(__file__).parents[1] / "docs" / "cifar10-sgd.md"
SETTINGS = {"high_noise": "#D55E00", "middle_noise": "#009E73", "low_noise": "#0072B2"}
RESAMPLES = 4000
# Shah et al. (2023), effects in points by strength, in the order of SETTINGS: 500 models each.
PAPER = {
    "dog": {4: (6.0, 7.7, 8.1), 5: (8.2, 10.6, 11.8), 6: (9.1, 12.1, 13.5)},
    "truck": {
        5: (0.7, 1.7, 2.1),
        6: (1.3, 3.1, 3.9),
        7: (1.6, 4.0, 5.7),
        8: (2.0, 4.7, 7.2),
        9: (2.2, 4.9, 8.2),
    },
}


def shares(n: int, random: np.random.Generator) -> np.ndarray:
    """How often each of `n` is drawn in each resample: float64 [RESAMPLES x n]."""
    return random.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n


def resampled(moved: list[np.ndarray]) -> np.ndarray:
    """Resampled mean effects [settings x RESAMPLES] of the settings' own [models x images]."""
    random = np.random.default_rng(0)
    images = shares(moved[0].shape[1], random)
    return np.stack([((shares(len(own), random) @ own) * images).sum(1) for own in moved])


def interval(draws: np.ndarray, digits: int = 1) -> str:
    low, high = np.quantile(draws, (0.025, 0.975))
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def read(study: Study, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """What a finished study's predictions hold, by setting and patch."""
    arrays = {}
    for name in SETTINGS:
        path = folder / name / "predictions.npz"
        arrays[name] = dict(np.load(artifacts.verify(path, study.key("predictions", name))))
    return arrays


def rows(study: Study, arrays: dict[str, dict[str, np.ndarray]]) -> list[dict]:
    """For each patch and strength: effects in points [settings] and their resamples."""
    found = []
    for patch in PAPER:
        for j, strength in enumerate(study.transformations[patch].strengths):
            moved = [arrays[name][patch][0, j] for name in SETTINGS]
            found.append(
                {
                    "patch": patch,
                    "strength": int(strength),
                    "effects": np.array([100 * own.mean() for own in moved]),
                    "draws": 100 * resampled(moved),
                }
            )
    return found


def effects(found: list[dict]) -> str:
    lines = [
        "| patch, pixels | high noise | middle | low noise | the paper's |",
        "|---|---|---|---|---|",
    ]
    for row in found:
        ours = [
            f"{e:+.1f} {interval(d)}" for e, d in zip(row["effects"], row["draws"], strict=True)
        ]
        paper = ", ".join(f"{x:+.1f}" for x in PAPER[row["patch"]][row["strength"]])
        lines.append(f"| {row['patch']}, {row['strength']} | {' | '.join(ours)} | {paper} |")
    return "\n".join(lines)


def order(found: list[dict]) -> str:
    lines = [
        "| patch, pixels | low minus high | the paper's | low over high | the paper's | "
        "rising, as in the paper (of resamples) |",
        "|---|---|---|---|---|---|",
    ]
    for row in found:
        (high, _, low), draws = row["effects"], row["draws"]
        paper = PAPER[row["patch"]][row["strength"]]
        clear = np.quantile(draws[0], 0.025) > 0  # else a ratio to it has no finite interval
        ratio = f"{low / high:.2f} {interval(draws[2] / draws[0], 2)}" if clear else "-"
        rising = (np.diff(draws, axis=0) > 0).all(0).mean()
        more = f"{low - high:+.1f} {interval(draws[2] - draws[0])}"
        as_there = f"{'yes' if (np.diff(row['effects']) > 0).all() else 'no'} ({rising:.0%})"
        lines.append(
            f"| {row['patch']}, {row['strength']} | {more} | {paper[2] - paper[0]:+.1f} | "
            f"{ratio} | {paper[2] / paper[0]:.2f} | {as_there} |"
        )
    return "\n".join(lines)


def figure(found: list[dict], path: Path) -> None:
    """Effects by strength: ours with intervals, the paper's dashed."""
    fig, axes = plt.subplots(1, len(PAPER), figsize=(10, 4), layout="constrained", sharey=True)
    for axis, patch in zip(axes, PAPER, strict=True):
        own = [row for row in found if row["patch"] == patch]
        x = np.array([row["strength"] for row in own])
        for i, (name, colour) in enumerate(SETTINGS.items()):
            y = np.array([row["effects"][i] for row in own])
            bounds = np.array([np.quantile(row["draws"][i], (0.025, 0.975)) for row in own]).T
            axis.errorbar(
                x + (i - 1) * 0.07,
                y,
                np.abs(bounds - y),
                color=colour,
                marker="o",
                capsize=3,
                label=name.replace("_", " "),
            )
            paper = [PAPER[patch][strength][i] for strength in x]
            axis.plot(
                x, paper, "--", color=colour, alpha=0.6, label=f"{name.replace('_', ' ')}, paper"
            )
        axis.axhline(0, color="0.8", linewidth=1, zorder=0)
        axis.set(title=f"{patch} patch", xlabel="size, pixels", xticks=x)
        axis.set_ylabel(f"effect on the probability of {patch}, points")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    fig.savefig(path, dpi=110)


def main(folder: Path) -> None:
    study = Study.read(folder / "study.json")
    found = rows(study, read(study, folder))
    text = PAGE.read_text()
    for name, table in (("effects", effects(found)), ("order", order(found))):
        block = f"<!-- {name} -->\n{table}\n<!-- end -->"
        text, times = re.subn(rf"<!-- {name} -->.*?<!-- end -->", block, text, flags=re.S)
        assert times == 1, f"{PAGE}: has no place for {name}"
    PAGE.write_text(text)
    figure(found, PAGE.with_suffix(".png"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="results of the study")
    main(parser.parse_args().folder)
