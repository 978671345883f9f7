"""What a contrast can find, against simulations; eigenvalues against drawn masks."""

import numpy as np
import pytest
from test_comparison_contrast import EXAMPLES, MODELS, TARGETS, simulated

from modeldiff import subsets
from modeldiff.comparison import contrast, power

PENALTY = 2.0  # that of `contrast`, unless told otherwise


@pytest.mark.parametrize(("models", "examples"), [(240, 40), (300, 300), (200, 300)])
def test_moments_are_those_of_drawn_masks(models, examples):
    masks = subsets.draw(examples, range(models), 0.5, 0)
    z = (masks - masks.mean(0)) / masks.std(0)
    e = np.linalg.eigvalsh(z.T @ z / models)
    kept, noise = power.moments(examples / models, PENALTY)
    assert kept == pytest.approx((e / (e + PENALTY)).mean(), rel=0.05)
    assert noise == pytest.approx((e / (e + PENALTY) ** 2).mean(), rel=0.05)


def test_what_is_said_to_stand_out_does_and_half_of_it_does_not():
    null = [
        contrast(*simulated(s), directions=1, permutations=39, seed=s).critical_value[0]
        for s in range(6)
    ]
    edge, group, moved = float(np.mean(null)), [3, 7, 11], [0, 5]
    size = power.smallest(edge, MODELS, EXAMPLES, PENALTY, group=3, moved=2)

    def found(share, seed):
        data = simulated(100 + seed, plants=[(group, moved, share * size / 3)])
        return contrast(*data, directions=1, permutations=19, seed=seed).significant[0]

    assert sum(found(1.2, s) for s in range(20)) >= 18
    assert sum(found(0.5, s) for s in range(20)) <= 7


def test_a_group_of_half_of_the_images_stands_out_as_foretold():
    """Subsets are equally large: of a group of half of the images they tell less than of a few."""
    null = [
        contrast(*simulated(s), directions=1, permutations=39, seed=s).critical_value[0]
        for s in range(6)
    ]
    group, moved = list(range(0, EXAMPLES, 2)), [0, 5]
    known = {"group": len(group), "moved": 2}
    size = power.smallest(float(np.mean(null)), MODELS, EXAMPLES, PENALTY, **known)

    def found(seed):
        data = simulated(100 + seed, plants=[(group, moved, 1.2 * size / len(group))])
        return contrast(*data, directions=1, permutations=19, seed=seed).significant[0]

    assert sum(found(s) for s in range(20)) >= 18


def test_more_models_see_less():
    known = {"models": 300, "n_train": EXAMPLES, "penalty": PENALTY}
    of = {"group": 2, "moved": 3}
    size = power.smallest(10.0, **known, **of)
    assert power.models_for(size, 10.0, **known, **of) == pytest.approx(300, rel=0.01)
    # Far more models than examples: the noise falls with the root of their number.
    many = known | {"models": 300_000}
    size = power.smallest(1.0, **many, **of)
    assert power.models_for(size / 2, 1.0, **many, **of) == pytest.approx(1_200_000, rel=0.01)
    could = power.power(10.0, 300, EXAMPLES, TARGETS, PENALTY, typical=size)
    assert (could.group, could.moved) == (1, 1)
    assert not could.enough
    assert could.needed > 300


def test_half_of_the_models_foretell_what_all_will_show():
    """Noise alone, so that its edge is what the whole study will meet."""
    foretold, met = [], []
    for seed in range(6):
        masks, a, b = simulated(seed)
        for half, planned, found in ((MODELS // 2, MODELS, foretold), (MODELS, None, met)):
            rows = masks[:half], a[:half], b[:half]
            edge = contrast(*rows, directions=1, permutations=39, seed=seed).critical_value[0]
            found.append(power.of_models(*rows, edge, PENALTY, planned).smallest)
    assert np.median(foretold) == pytest.approx(np.median(met), rel=0.15)
