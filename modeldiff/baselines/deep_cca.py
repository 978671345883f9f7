"""Canonical correlations on unseen images: linear, by two networks, and by networks that are scaled
image by image.

Deep CCA (Andrew et al. 2013): two networks are trained so that their outputs correlate as much as
possible in all. Dynamically scaled deep CCA (Friedlander & Wolf, arXiv 2203.12377): what the last
layer of each does is scaled by a further network of the same input. Half of the images train, the
other half are correlated: with few images, networks correlate what they have learned by heart, and
that does not carry over.
"""

from collections.abc import Callable
from functools import partial
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn

from modeldiff.baselines.pool import Pool
from modeldiff.core import rng

MODELS = 5  # of either recipe: networks are trained for each two of them
COMPONENTS = 10  # canonical correlations whose mean is taken
HIDDEN = 128
EPOCHS, WARM_UP = 50, 10  # scaling sets in over the first so many
BATCH = 1000
RIDGE = 1e-3  # of the covariances of outputs with unit variance
RATE, DECAY = 1e-3, 1e-5  # of RMSprop

Views = tuple[Tensor, Tensor]  # of the same images: float32 [images x dimensions] each
# What is made of either view: float32 [images x dimensions] to [images x outputs].
Maps = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]
Train = Callable[[Views, int, int], Maps]  # of views, the number of outputs, and a seed


class Network(nn.Module):
    """Of one view: two hidden layers, then `components` outputs with mean 0 and variance 1.

    scaled: whether each output of the last layer, which is its weights' and its bias's, is
    multiplied by 1 + `warmth` times what another network says of the same input.
    """

    def __init__(self, dimensions: int, components: int, scaled: bool):
        super().__init__()
        self.hidden = nn.Sequential(*_layer(dimensions, HIDDEN), *_layer(HIDDEN, HIDDEN))
        self.last = nn.Linear(HIDDEN, components)
        self.norm = nn.BatchNorm1d(components, affine=False)
        self.scale: nn.Module | None = None
        if scaled:
            self.scale = nn.Sequential(
                *_layer(dimensions, HIDDEN), nn.Linear(HIDDEN, components), nn.Tanh()
            )
        self.warmth = 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Of [n x dimensions]: [n x components]."""
        outputs = self.last(self.hidden(x))
        if self.scale is not None:
            outputs = outputs * (1 + self.warmth * self.scale(x))
        normed: Tensor = self.norm(outputs)
        return normed


def linear(pool: Pool) -> np.ndarray:
    """1 - mean canonical correlation of features on unseen images: float64 [models x models]."""
    return _by_pairs(pool, _as_they_are)


def deep(pool: Pool) -> np.ndarray:
    """The same of features that two networks have made of them."""
    return _by_pairs(pool, partial(networks, scaled=False))


def scaled(pool: Pool) -> np.ndarray:
    """The same, where further networks scale those two."""
    return _by_pairs(pool, partial(networks, scaled=True))


def networks(seen: Views, components: int, seed: int, *, scaled: bool) -> Maps:
    """Networks whose outputs of the two views correlate as much as possible in all."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pair = [Network(view.shape[1], components, scaled) for view in seen]
        first, second = pair
        parameters = [*first.parameters(), *second.parameters()]
        optimizer = torch.optim.RMSprop(parameters, lr=RATE, weight_decay=DECAY)
        n = len(seen[0])
        for epoch in range(EPOCHS):
            first.warmth = second.warmth = min(1.0, epoch / WARM_UP)
            for chosen in torch.randperm(n).tensor_split(max(1, round(n / BATCH))):
                outputs = first(seen[0][chosen]), second(seen[1][chosen])
                loss = -_correlations(*outputs).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        first.eval()
        second.eval()
    return first, second


def unseen_correlations(
    seen: Views, unseen: Views, components: int, seed: int, train: Train
) -> np.ndarray:
    """Canonical correlations of two views on images that played no part, float64 [components].

    train: of the seen views, what is made of each before linear CCA, which is fitted on the seen
    views, too. What correlates the other way round on unseen images counts as 0.
    """
    # One factor for all dimensions: one that hardly varies must not count as much as the others.
    means = [view.mean(0) for view in seen]
    sizes = [view.var(0).mean().sqrt().clamp_min(1e-12) for view in seen]
    seen = (seen[0] - means[0]) / sizes[0], (seen[1] - means[1]) / sizes[1]
    unseen = (unseen[0] - means[0]) / sizes[0], (unseen[1] - means[1]) / sizes[1]
    maps = train(seen, components, seed)
    with torch.no_grad():
        fitted = [of(view).double() for of, view in zip(maps, seen, strict=True)]
        shown = [of(view).double() for of, view in zip(maps, unseen, strict=True)]
    middle = [outputs.mean(0) for outputs in fitted]
    roots, cross = _whitened(fitted[0], fitted[1])
    left, _, right = torch.linalg.svd(cross)
    variates = []
    for outputs, mean, root, axes in zip(shown, middle, roots, (left, right.mT), strict=True):
        white = torch.linalg.solve_triangular(root, (outputs - mean).T, upper=False).T
        variates.append(white @ axes[:, :components])
    first, second = (one - one.mean(0) for one in variates)
    products = (first * second).sum(0) / (first.norm(dim=0) * second.norm(dim=0)).clamp_min(1e-12)
    return products.clamp(0, 1).numpy()


def _as_they_are(seen: Views, components: int, seed: int) -> Maps:
    """What linear CCA correlates."""
    return nn.Identity(), nn.Identity()


def _layer(inside: int, outside: int) -> list[nn.Module]:
    return [nn.Linear(inside, outside), nn.BatchNorm1d(outside, affine=False), nn.ReLU()]


def _whitened(first: Tensor, second: Tensor) -> tuple[list[Tensor], Tensor]:
    """Cholesky factors of both covariances, and the covariance of both in their terms.

    first, second: [n x dimensions]. Singular values of the latter are canonical correlations.
    """
    centred = [outputs - outputs.mean(0) for outputs in (first, second)]
    n = len(first)
    roots = []
    for outputs in centred:
        covariance = outputs.T @ outputs / (n - 1)
        ridge = RIDGE * torch.eye(len(covariance), dtype=outputs.dtype, device=outputs.device)
        roots.append(torch.linalg.cholesky(covariance + ridge))
    cross = centred[0].T @ centred[1] / (n - 1)
    half = torch.linalg.solve_triangular(roots[0], cross, upper=False)
    return roots, torch.linalg.solve_triangular(roots[1], half.T, upper=False).T


def _correlations(first: Tensor, second: Tensor) -> Tensor:
    """Canonical correlations of outputs [n x components], nearly: see `RIDGE`."""
    _, cross = _whitened(first, second)
    correlations: Tensor = torch.linalg.svdvals(cross)
    return correlations


def _by_pairs(pool: Pool, train: Train) -> np.ndarray:
    """1 - the mean correlation, of each two models.

    Networks of the first view begin with other weights than those of the second, so that which of
    two models is first matters. Their features decide, and not their places in the pool: places
    know the recipe, and exchanging models is no test of a distance that knows it.
    """
    views = [torch.from_numpy(features) for features in pool.features]
    in_order = sorted(range(len(views)), key=lambda model: pool.features[model].tobytes())
    order = torch.from_numpy(rng.permutation(len(views[0]), "deep cca", *pool.key))
    seen, unseen = order.tensor_split(2)
    components = min(COMPONENTS, *(view.shape[1] for view in views))
    seed = rng.seed("deep cca", *pool.key)
    distances = np.zeros((len(views), len(views)))
    for i, j in combinations(in_order, 2):
        found = unseen_correlations(
            (views[i][seen], views[j][seen]),
            (views[i][unseen], views[j][unseen]),
            components,
            seed,
            train,
        )
        distances[i, j] = distances[j, i] = 1 - found.mean()
    return distances
