"""Read the `summary.json` of a study in a program.

You learn: where the numbers of a report stand, and in which order to look at them: how good the
datamodels are, whether anything stands out from chance, and what the features do. The file is the
one of docs/cifar10-sgd.md: ResNet-9 on CIFAR-10, trained with little and with much noise of SGD.
"""

import json
from pathlib import Path

SUMMARY = Path(__file__).parents[1] / "docs" / "cifar10-sgd-summary.json"

summary = json.loads(SUMMARY.read_text())
print(f"study {summary['study']}, made by version {summary['version']}")

# 1. An LDS far below its ceiling: train more models. Near 0: read no further.
for name, algorithm in summary["algorithms"].items():
    lds = algorithm["lds"]
    print(f"{name}: {algorithm['models']} models, LDS {lds['mean']:.2f} of {lds['ceiling']:.2f}")

# 2. All images together, then direction by direction. p_value is null where nothing is tested.
for pair in summary["comparisons"]:
    if whole := pair["agreement"]:
        value = "unknown" if whole["value"] is None else f"{whole['value']:.2f}"
        differ = "differ" if whole["differ"] else "are not shown to differ"
        print(f"{pair['way']}: the two {differ}, agreement {value}")
    sure = [d["rank"] for d in pair["directions"] if d["significant"]]
    print(f"{pair['way']}: directions that stand out: {sure or 'none'}")

# 3. The effects at the greatest strength; a difference of probability, with its 95% interval.
strongest = {}
for effect in summary["effects"]:  # strengths rise, so that the last one stays
    strongest[effect["transformation"], effect["algorithm"]] = effect
for (feature, name), effect in strongest.items():
    low, high = 100 * effect["low"], 100 * effect["high"]
    print(f"{feature} moves {name} by {100 * effect['effect']:+.1f} points [{low:.1f}, {high:.1f}]")
