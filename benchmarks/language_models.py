"""Is learning to fill gaps free? How often three objectives predict a byte, and what bytes cost.

Models of `config/lm-objectives.yaml`, on all of its training texts, tested on the others; models of
different objectives with the same seed start from the same weights, and their differences are taken
seed by seed. In the folder where `python examples/library_functions.py` has written its file:

    python benchmarks/language_models.py --seeds 10 --output docs/language-models.md
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import yaml
from kept_rows import machine, put_between_marks
from scipy.stats import t as student

from modeldiff.dataset.texts import texts
from modeldiff.language_models import accuracies, micro_lm, train

CONFIG = Path(__file__).parents[1] / "config" / "lm-objectives.yaml"
MEASURED = {
    "left_to_right": "left to right",
    "prefix": "the same, what stands before read in both directions",
    "infill": "infill",
    "nats": "nats a byte",
}


def options(part: dict[str, object]) -> dict[str, object]:
    """What a config says of a part, besides its name."""
    return {key: value for key, value in part.items() if key != "name"}


def interval(differences: np.ndarray) -> str:
    """The mean and its 95% interval by Student's t."""
    half = student.ppf(0.975, len(differences) - 1) * differences.std(ddof=1)
    half /= len(differences) ** 0.5
    mean = differences.mean()
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--output", type=Path, help="where the table goes, between its marks")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = yaml.safe_load(CONFIG.read_text())
    data = texts(**options(config["dataset"]))
    shown = torch.from_numpy(data.train.images).long()
    unseen = torch.from_numpy(data.test.images).long()
    found = {}
    for name, recipe in config["algorithms"].items():
        rows = []
        for seed in range(arguments.seeds):
            torch.manual_seed(seed)
            module = micro_lm(shown.shape[1:], len(data.classes), **options(recipe["model"]))
            labels = torch.from_numpy(data.train.labels)
            train(module, shown, labels, seed, **options(recipe["train"]))
            measured = accuracies(module.eval(), data.test.images)
            with torch.no_grad():
                own = module(unseen).gather(1, torch.from_numpy(data.test.labels)[:, None])
            shares = [measured.left_to_right, measured.prefix, measured.infill]
            rows.append([*shares, -float(own.mean())])
            print(name, seed, rows[-1])
        found[name] = np.array(rows)
    lines = ["| | " + " | ".join(found) + " | mixture - causal |", "|---|---|---|---|---|"]
    for column, what in enumerate(MEASURED.values()):
        means = [f"{rows[:, column].mean():.3f}" for rows in found.values()]
        difference = interval(found["mixture"][:, column] - found["causal"][:, column])
        lines.append(f"| {what} | {' | '.join(means)} | {difference} |")
    lines += [
        "",
        f"{measured.many} bytes of {len(unseen)} texts, {arguments.seeds} models of each;",
    ]
    lines[-1] += f" {machine()}."
    print("\n".join(lines))
    if arguments.output:
        put_between_marks(arguments.output, "accuracy", lines)


if __name__ == "__main__":
    main()
