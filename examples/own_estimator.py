"""Fit datamodels by an estimator of your own and score it beside those that come with ModelDiff.

You learn: the contract of an estimator, and how the LDS (rank correlation on models that no fit has
seen) says which one predicts better. Margins are made up of 5 of 100 training examples, so that an
estimator that looks for few should win. In a study: `datamodels: {estimator: "mine:few"}`.
"""

import numpy as np

from modeldiff import datamodels, subsets

MODELS, TRAIN, TARGETS, USED = 400, 100, 20, 5


def few(masks: np.ndarray, margins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares on the ten examples of each target that matter most by difference of means.

    masks: bool [models x train]; margins: float32 [models x targets]. Returns weights [targets x
    train] and intercepts [targets], so that `masks @ weights.T + intercept` predicts margins.
    """
    x = masks - masks.mean(0)
    strength = np.abs(x.T @ (margins - margins.mean(0)))
    weights = np.zeros((margins.shape[1], masks.shape[1]))
    for target, values in enumerate(margins.T):
        chosen = np.argsort(strength[:, target])[-10:]
        weights[target, chosen] = np.linalg.lstsq(x[:, chosen], values - values.mean())[0]
    return weights, margins.mean(0) - weights @ masks.mean(0)


def simulated(masks: np.ndarray, seed: int) -> np.ndarray:
    """Margins [models x targets]: each target depends on 5 examples, and on noise."""
    truth = np.random.default_rng(0)
    weights = np.zeros((TARGETS, TRAIN))
    for row in weights:
        row[truth.choice(TRAIN, USED, replace=False)] = truth.normal(size=USED)
    noise = np.random.default_rng(seed).normal(size=(len(masks), TARGETS))
    return (masks @ weights.T + noise).astype(np.float32)


if __name__ == "__main__":  # ModelDiff imports this file for `few`
    masks = subsets.draw(TRAIN, range(MODELS), alpha=0.5, seed=0)
    margins = simulated(masks, seed=1)
    unseen = subsets.draw(TRAIN, range(MODELS, MODELS + 100), alpha=0.5, seed=0)
    twice = np.concatenate([unseen, unseen])  # each subset trained twice: this gives the ceiling
    truth = np.concatenate([simulated(unseen, seed=2), simulated(unseen, seed=3)])
    for estimator in ("own_estimator:few", "lasso", "ridge"):
        fit = datamodels.fit(masks, margins, estimator=estimator)
        score = datamodels.lds(fit, twice, truth)
        interval = f"[{score.low:.2f}, {score.high:.2f}]"
        print(f"{estimator}: LDS {score.mean:.2f} {interval} of at most {score.ceiling:.2f}")
