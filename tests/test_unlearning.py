"""Unlearning: exact for linear models, what each method does to a network, and the audit."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from modeldiff.core.errors import UserError
from modeldiff.training import unlearning
from modeldiff.training.models import MODELS
from modeldiff.training.unlearning import of_the_others, unlearn
from modeldiff.unlearning.left import left, ratio


@pytest.fixture
def random_features():
    """Random Fourier features of 60 points, 400 of them; three outputs; 13 points to forget."""
    random = torch.Generator().manual_seed(0)
    points = torch.randn(60, 8, generator=random, dtype=torch.float64)
    directions = torch.randn(8, 400, generator=random, dtype=torch.float64)
    phases = 2 * torch.pi * torch.rand(400, generator=random, dtype=torch.float64)
    features = torch.cos(points @ directions + phases) / 400**0.5
    targets = torch.randn(60, 3, generator=random, dtype=torch.float64)
    forget = torch.zeros(60, dtype=torch.bool)
    forget[torch.randperm(60, generator=random)[:13]] = True
    return features, targets, forget


def interpolated(features, targets, start):
    """Where gradient descent on the squared error ends, from `start`."""
    return start + torch.linalg.pinv(features) @ (targets - features @ start)


def test_unlearned_random_features_are_the_retrained_ones(random_features):
    """Closed form: tuned to the new targets, the trained parameters become the retrained ones."""
    features, targets, forget = random_features
    zero = torch.zeros(400, 3, dtype=torch.float64)
    trained = interpolated(features, targets, zero)
    retrained = interpolated(features[~forget], targets[~forget], zero)
    predicted = of_the_others(features, targets, forget)
    wanted = torch.where(forget[:, None], predicted, targets)
    unlearned = interpolated(features, wanted, trained)
    assert (unlearned - retrained).abs().max() <= 1e-10
    assert (trained - retrained).abs().max() > 1e-2
    # Other labels do not do it.
    random = torch.where(forget[:, None], -targets, targets)
    assert (interpolated(features, random, trained) - retrained).abs().max() > 1e-2


def test_gradient_descent_itself_ends_there(random_features):
    features, targets, forget = random_features
    wanted = torch.where(forget[:, None], of_the_others(features, targets, forget), targets)
    weights = interpolated(features, targets, torch.zeros(400, 3, dtype=torch.float64))
    rate = 1 / torch.linalg.matrix_norm(features, 2) ** 2
    for _ in range(20_000):
        weights -= rate * features.T @ (features @ weights - wanted)
    zero = torch.zeros(400, 3, dtype=torch.float64)
    retrained = interpolated(features[~forget], targets[~forget], zero)
    assert (weights - retrained).abs().max() <= 1e-8


@pytest.fixture
def trained(data):
    """A small network that learned 300 digits, and which of them are to be forgotten: the 3s."""
    torch.manual_seed(0)
    images = torch.from_numpy(data.train.images[:300]).float() / 255
    labels = torch.from_numpy(data.train.labels[:300])
    model = MODELS["mlp"]((1, 8, 8), 10, hidden=32)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(60):
        optimizer.zero_grad()
        cross_entropy(model(images), labels).backward()
        optimizer.step()
    return model, images, labels, labels == 3


def after(trained, method, **options):
    model, images, labels, forget = trained
    torch.manual_seed(1)
    left = unlearn(
        [copy.deepcopy(model)], images, labels, 1, method=method, forget=forget, **options
    )
    with torch.no_grad():
        of_the_group = cross_entropy(left(images[forget]), labels[forget])
        of_the_rest = cross_entropy(left(images[~forget]), labels[~forget])
    return float(of_the_group), float(of_the_rest)


def test_each_method_raises_the_loss_of_the_group(trained):
    """All but gradient ascent keep what the rest has taught; going on with it does little."""
    model, images, labels, forget = trained
    with torch.no_grad():
        before = float(cross_entropy(model(images[forget]), labels[forget]))
    for method, more in (("muso", 0.3), ("random_labels", 0.3), ("finetune", 0.03)):
        of_the_group, of_the_rest = after(trained, method, epochs=20)
        assert of_the_group > before + more, method
        assert of_the_rest < 0.3, method
    assert after(trained, "gradient_ascent", epochs=20, lr=0.1)[0] > before + 0.3


def test_random_labels_are_never_the_own_ones():
    labels = torch.arange(10).repeat(100)
    others = unlearning._others(labels, 10)
    assert not (others == labels).any()
    assert np.bincount(others).min() > 50


def test_nothing_to_forget_changes_nothing_and_everything_is_refused(trained):
    model, images, labels, forget = trained
    none = torch.zeros_like(forget)
    assert unlearn([model], images, labels, 0, method="muso", forget=none) is model
    with pytest.raises(UserError, match="forget: all 300 images of a model; some must be left"):
        unlearn([model], images, labels, 0, method="finetune", forget=~none)


def test_muso_needs_a_linear_layer(trained):
    _, images, labels, forget = trained
    model = nn.Sequential(nn.Conv2d(1, 10, 8), nn.Flatten())
    with pytest.raises(UserError, match=r"muso needs a model whose last layer is an `nn.Linear`"):
        unlearn([model], images, labels, 0, method="muso", forget=forget)


def simulated(random, models, shift, of_after):
    """Margins of 30 targets: of models that never saw a group, that learned it, and after.

    shift: the group's effect on each target. of_after: the share that is left. Spreads differ.
    """
    base = 5 + np.arange(30) / 10
    never = base + random.normal(size=(models, 30))
    before = base + shift + 0.5 * random.normal(size=(models, 30))
    after = base + of_after * shift + 1.5 * random.normal(size=(models, 30))
    return before, never, after


def test_the_share_is_what_is_left_and_its_interval_covers_it():
    """Of 400 simulated audits the 95% interval misses the truth in 5%, give or take 2.2%."""
    random = np.random.default_rng(0)
    shift = np.where(np.arange(30) < 6, -4.0, 0.0)
    for truth in (0.0, 0.4, 1.0):
        missed = 0
        values = []
        for _ in range(400):
            before, never, after = simulated(random, 12, shift, truth)
            groups = [rows @ shift for rows in (after, before, never)]
            value, low, high = ratio(*groups)
            values.append(value)
            missed += not low <= truth <= high
            assert low < value < high
        assert abs(np.mean(values) - truth) < 0.01
        assert 400 * 0.028 <= missed <= 400 * 0.072, truth


def test_models_that_never_saw_the_group_are_silent_and_untouched_ones_are_found():
    random = np.random.default_rng(1)
    shift = np.where(np.arange(30) < 6, -4.0, 0.0)
    found = {0.0: 0, 1.0: 0}
    for _ in range(200):
        for truth in found:
            found[truth] += left(*simulated(random, 12, shift, truth)).p_value <= 0.05
    assert found[0.0] <= 200 * 0.081  # 5%, and two standard errors
    assert found[1.0] == 200


def test_the_interval_is_that_of_a_bootstrap():
    """Another way to an interval: resampled models."""
    random = np.random.default_rng(2)
    forgot = random.normal(3, 1.0, 40)
    learned = random.normal(10, 2.0, 40)
    unseen = random.normal(0, 0.5, 40)
    value, low, high = ratio(forgot, learned, unseen)
    resampled = []
    for _ in range(20_000):
        means = [np.mean(random.choice(group, 40)) for group in (forgot, learned, unseen)]
        resampled.append((means[0] - means[2]) / (means[1] - means[2]))
    assert np.quantile(resampled, [0.025, 0.975]) == pytest.approx([low, high], abs=0.012)
    assert value == pytest.approx(
        (forgot.mean() - unseen.mean()) / (learned.mean() - unseen.mean())
    )


def test_larger_margins_are_no_weight_of_the_group():
    random = np.random.default_rng(3)
    shift = np.where(np.arange(30) < 6, -4.0, 0.0)
    before, never, after = simulated(random, 40, shift, 0.3)
    once = left(before, never, after)
    assert left(before, never, 7 * after).value == pytest.approx(once.value)


def test_what_cannot_be_said_is_not_said():
    random = np.random.default_rng(4)
    nothing = np.zeros(30)
    before, never, after = simulated(random, 12, nothing, 0.5)
    said = left(before, never, after)
    assert not (said.high - said.low < 1)  # unknown, or wide
    assert np.isnan(left(before[:3], never, after).value)
    broken = np.full_like(after, np.nan)
    assert np.isnan(left(before, never, broken).value)
    some = np.concatenate([after, broken])
    assert left(before, never, some) == left(before, never, after)
