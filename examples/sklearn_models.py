"""Two scikit-learn models: fit each on random halves of the data, and compare their margins.

You learn: what turns any estimator with scores or probabilities into masks and margins. The answer
is known: `blind` cannot see the pixel that gives twelve relabelled training digits away.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import modeldiff

x, y = load_digits(return_X_y=True)
x[np.flatnonzero(y != 3)[:12], 0], y[np.flatnonzero(y != 3)[:12]] = 64, 3  # planted
train, targets = slice(0, 900), slice(1200, 1400)
x[targets][::2, 0] = 64

seeing = RidgeClassifier(alpha=100)
blind = make_pipeline(FunctionTransformer(lambda x: x[:, 1:]), RidgeClassifier(alpha=100))
masks = modeldiff.subsets.draw(n_examples=900, models=range(150), alpha=0.5, seed=0)
margins = []
for model in (seeing, blind):
    scores = [model.fit(x[train][m], y[train][m]).decision_function(x[targets]) for m in masks]
    margins.append(modeldiff.margins_of(np.stack(scores), y[targets], kind="max"))
compared = modeldiff.compare_models(masks, *margins, names=("seeing", "blind"), directions=3)
print(compared)

images = x.reshape(-1, 8, 8) / 64
pictures = (images[train], images[targets])
compared.report("sklearn.html", images=pictures, labels=(y[train], y[targets]))
