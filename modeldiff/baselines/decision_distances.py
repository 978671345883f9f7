"""Decision distance vectors: how far each model's outputs move from images to adversarial ones.

Li et al., ModelDiff: testing-based DNN similarity comparison for model reuse detection (ISSTA 2021,
arXiv 2106.08890). Each of some seed images has a partner near it, made so that outputs move far and
in many ways. A model's vector holds the cosine distance of its outputs on each seed and its
partner; two models are as alike as their vectors. Here all models share seeds and partners, which
are made on the mean over all of them: no recipe made more of them than the other, so that models
may be exchanged.
"""

import numpy as np
import torch
from torch import Tensor

from modeldiff.baselines.pool import Pool
from modeldiff.core import rng
from modeldiff.dataset import as_float

SEEDS, STEPS = 100, 50
RADIUS, STEP = 0.06, 0.01  # of the attack, in units of the pixels' range


def ddv(pool: Pool) -> np.ndarray:
    """1 - cosine of two models' decision distance vectors: float64 [models x models]."""
    vectors = decision_distances(pool)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    return np.asarray(1 - unit @ unit.T).clip(0)


def decision_distances(pool: Pool) -> np.ndarray:
    """The vectors, float64 [models x seeds], 0 to 2; seeds are drawn among the pool's images."""
    chosen = rng.permutation(len(pool.images.labels), "seeds", *pool.key)[:SEEDS]
    seeds = torch.from_numpy(as_float(pool.images.images[np.sort(chosen)])).to(pool.device)
    partners = adversarial(pool, seeds)
    with torch.inference_mode():
        cosine = torch.cosine_similarity(pool.outputs(seeds), pool.outputs(partners), dim=2)
    return 1 - cosine.cpu().numpy().astype(np.float64)


def adversarial(pool: Pool, seeds: Tensor) -> Tensor:
    """Partners of seeds, float32 [n x C x H x W] in [0, 1], no pixel further than `RADIUS` away.

    By steps along the sign of the gradient, from a random start: they raise how far outputs move
    from each seed to its partner plus how far outputs of partners are apart, the means over
    models of L2 distances.
    """
    low, high = (seeds - RADIUS).clamp(0, 1), (seeds + RADIUS).clamp(0, 1)
    start = torch.from_numpy(rng.uniform32(seeds.numel(), "partners", *pool.key))
    partners = low + (high - low) * start.to(seeds.device).view_as(seeds)
    with torch.no_grad():
        before = pool.outputs(seeds)
    for _ in range(STEPS):
        partners.requires_grad_()
        after = pool.outputs(partners)
        # Not by products of matrices: those round small distances to less than nothing.
        apart = torch.cdist(after, after, compute_mode="donot_use_mm_for_euclid_dist")
        gained = (after - before).norm(dim=2).mean() + apart.mean()
        (slope,) = torch.autograd.grad(gained, partners)
        stepped = partners.detach() + STEP * slope.sign()
        partners = stepped.maximum(low).minimum(high)
    return partners.detach()
