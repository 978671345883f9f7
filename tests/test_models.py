"""Architectures and augmentations, against counts and hand-made cases."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision_door import models, v2

from modeldiff import subsets
from modeldiff.core.errors import UserError
from modeldiff.study import Study
from modeldiff.training import Member, augment, train
from modeldiff.training.models import MODELS, QuickNorm, airbench


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "shape", "classes", "options", "parameters"),
    [
        ("mlp", (1, 8, 8), 10, {"hidden": 64}, 64 * 64 + 64 + 640 + 10),
        ("resnet9", (3, 32, 32), 10, {}, 2_274_880),
        ("resnet9", (3, 32, 32), 10, {"width": 8}, 36_168),
        ("resnet18", (3, 64, 64), 17, {"weights": None}, 11_185_233),
        ("resnet50", (3, 64, 64), 2, {"weights": None}, 23_512_130),
        ("airbench", (3, 32, 32), 10, {}, 1_972_792),
        ("convnet", (3, 16, 16), 4, {"width": 8}, 224 + 1168 + 4640 + 32 * 4 * 4 + 4),
    ],
)
def test_parameters_and_output(name, shape, classes, options, parameters):
    module = MODELS[name](shape, classes, **options).eval()
    assert count(module) == parameters
    assert module(torch.zeros(2, *shape)).shape == (2, classes)


def test_weights_from_a_file_start_all_but_the_last_layer(tmp_path):
    source = models.resnet18(num_classes=1000)
    torch.save(source.state_dict(), tmp_path / "r.pt")
    module = MODELS["resnet18"]((3, 64, 64), 5, weights=str(tmp_path / "r.pt"))
    torch.testing.assert_close(module.conv1.weight, source.conv1.weight)
    assert module.fc.weight.shape == (5, 512)


def test_weights_that_are_none_are_named(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no weights")
    for name, words in (
        ("other", "does not hold the weights of"),
        ("text", "cannot"),
        ("absent", "cannot"),
    ):
        with pytest.raises(UserError, match=f"{name}.pt: .*{words}"):
            MODELS["resnet18"]((3, 64, 64), 5, weights=str(tmp_path / f"{name}.pt"))


def test_airbench_whitens_patches_with_either_sign():
    torch.manual_seed(0)
    noise = torch.randn(60, 3, 33, 33)
    images = 3 * noise[..., 1:, 1:] + 2 * noise[..., :-1, 1:] + noise.roll(1, 1)[..., 1:, :-1]
    module = airbench((3, 32, 32), 10)
    before = module[0](images)
    module.initialise(images)
    after = module[0](images)
    moments = [x[:, :12].transpose(0, 1).flatten(1) for x in (before, after)]
    before, after = (x @ x.T / x.shape[1] for x in moments)
    assert (before - torch.eye(12)).abs().max() > 0.3
    torch.testing.assert_close(after, torch.eye(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(module[0](images)[:, 12:], -module[0](images)[:, :12])


def test_quick_biases_learn_64_times_as_fast():
    """Against batch normalisation whose biases have their own rate, as the source has it."""
    torch.manual_seed(0)
    quick, plain = QuickNorm(4), nn.BatchNorm2d(4, eps=1e-12, momentum=0.4)
    settings = {"momentum": 0.85, "nesterov": True}
    mine = torch.optim.SGD([quick.bias], lr=0.01, weight_decay=0.1, **settings)
    theirs = torch.optim.SGD([plain.bias], lr=0.64, weight_decay=0.1 / 64, **settings)
    for _ in range(5):
        batch, wanted = torch.randn(10, 4, 3, 3), torch.randn(10, 4, 3, 3)
        for module, optimizer in ((quick, mine), (plain, theirs)):
            optimizer.zero_grad()
            ((module(batch) - wanted) ** 2).mean().backward()
            optimizer.step()
    assert plain.bias.abs().max() > 0.1
    assert quick.weight.grad is None
    torch.testing.assert_close(quick.eval()(batch), plain.eval()(batch))


IMAGES = torch.arange(2 * 1 * 4 * 4, dtype=torch.float32).view(2, 1, 4, 4) / 32


def draws(*values):
    return torch.tensor(values, dtype=torch.float32).expand(2, -1)


def test_flip_mirrors_columns_not_colours():
    random = torch.tensor([[0.4], [0.6]])
    changed = augment.flip(IMAGES, random)
    torch.testing.assert_close(changed[0], v2.functional.horizontal_flip(IMAGES[0]))
    torch.testing.assert_close(changed[1], IMAGES[1])


def test_translate_shifts_and_fills_with_black():
    torch.testing.assert_close(augment.translate(IMAGES, draws(0.5, 0.5), pixels=1), IMAGES)
    moved = augment.translate(IMAGES, draws(0.0, 0.99), pixels=1)  # down by one, left by one
    torch.testing.assert_close(moved[..., 1:, :-1], IMAGES[..., :-1, 1:])
    assert (moved[..., 0, :] == 0).all()
    assert (moved[..., -1] == 0).all()


def test_cutout_is_a_square_of_the_mean():
    changed = augment.cutout(IMAGES, draws(0.0, 0.99), size=2)
    expected = IMAGES.clone()
    expected[..., :2, 2:] = IMAGES.mean((2, 3), keepdim=True)
    torch.testing.assert_close(changed, expected)


def test_random_resized_crop_of_everything_changes_nothing():
    whole = augment.random_resized_crop(IMAGES, draws(1.0, 0.5, 0.5, 0.5), min_scale=0.1, size=None)
    torch.testing.assert_close(whole, IMAGES, atol=1e-5, rtol=0)


def test_random_resized_crop_against_torchvision():
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    corner = draws(0.0, 0.5, 0.0, 0.0)
    quarter = augment.random_resized_crop(images, corner, min_scale=0.25, size=None)
    expected = v2.functional.resized_crop(images, 0, 0, 16, 16, [32, 32], antialias=False)
    # The far edge differs: torchvision cuts before it interpolates, we see the next pixel.
    inside = (..., slice(31), slice(31))
    torch.testing.assert_close(quarter[inside], expected[inside], atol=1e-4, rtol=0)
    smaller = augment.random_resized_crop(images, corner, min_scale=0.25, size=24)
    expected = v2.functional.resized_crop(images, 0, 0, 16, 16, [24, 24], antialias=False)
    inside = (..., slice(23), slice(23))
    torch.testing.assert_close(smaller[inside], expected[inside], atol=1e-4, rtol=0)


def test_colour_against_torchvision():
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    changed = augment.colour(images, draws(0.9, 0.2, 0.75), strength=0.4)
    expected = v2.functional.adjust_brightness(images, 1.32)
    expected = v2.functional.adjust_contrast(expected, 0.76)
    expected = v2.functional.adjust_saturation(expected, 1.2)
    torch.testing.assert_close(changed, expected, atol=1e-3, rtol=0)
    same = augment.colour(images, draws(0.5, 0.5, 0.5), strength=0.4)
    torch.testing.assert_close(same, images)


def test_colour_of_grey_images_has_no_saturation():
    loud, pale = (augment.colour(IMAGES, draws(0.5, 0.5, s), strength=0.4) for s in (0.99, 0.0))
    torch.testing.assert_close(loud, pale)


@pytest.mark.parametrize("shape", [(3, 40, 30), (1, 33, 33)])
def test_resize_and_centre_crop_against_torchvision(shape):
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    resized = augment.resize(images, size=25)
    torch.testing.assert_close(resized, v2.functional.resize(images, [25], antialias=True))
    cropped = augment.centre_crop(resized, size=24)
    torch.testing.assert_close(cropped, v2.functional.center_crop(resized, [24, 24]))
    with pytest.raises(UserError, match=r"centre_crop: size is 26; must be at most .*25"):
        augment.centre_crop(resized, size=26)


def test_normalise_against_torchvision():
    images = torch.rand(2, 3, 4, 4)
    ours = augment.normalise(images, mean=[0.1, 0.2, 0.3], sd=[1.0, 2.0, 3.0])
    theirs = v2.functional.normalize(images, [0.1, 0.2, 0.3], [1.0, 2.0, 3.0])
    torch.testing.assert_close(ours, theirs)


def test_an_example_is_augmented_alike_in_any_group_and_batch(config, data, monkeypatch):
    """What an example becomes in an epoch depends on model, epoch and example alone."""
    seen = {}

    def spy(images, random):
        for image, row in zip(images, random, strict=True):
            seen.setdefault(tuple(row.tolist()), image.clone())
            torch.testing.assert_close(seen[tuple(row.tolist())], image)
        return images

    monkeypatch.setitem(augment.AUGMENT, "flip", spy)
    recipe = config["algorithms"]["plain"] | {"epochs": 2, "augment": [{"name": "flip"}]}
    masks = subsets.draw(1200, range(3), 0.05, 0)
    members = [Member(("x", m), np.flatnonzero(mask)) for m, mask in enumerate(masks)]
    for batch, width in ((50, 3), (7, 1)):
        config["algorithms"]["plain"] = recipe | {"batch": batch}
        list(train(Study.load(config).algorithms["plain"], data.train, 10, members, width=width))
    assert len(seen) == 3 * 2 * 60


def test_flip_average_is_the_mean_of_both(config, data):
    config["algorithms"]["plain"] |= {"flip_average": True, "epochs": 1}
    algorithm = Study.load(config).algorithms["plain"]
    member = Member(("x", 0), np.arange(600))
    (trained,) = train(algorithm, data.train, 10, [member], width=1)
    images = data.test.images[:5].astype(np.float32) / 255
    both = trained.logits(images)
    torch.testing.assert_close(both, trained.logits(np.ascontiguousarray(images[..., ::-1])))


def test_a_convolutional_net_learns_fused_as_it_does_alone(config, data):
    config["algorithms"]["plain"] |= {"model": {"name": "convnet", "width": 4}, "epochs": 10}
    config["algorithms"]["plain"]["optimizer"] = {"name": "adamw", "lr": 0.01}
    algorithm = Study.load(config).algorithms["plain"]
    masks = subsets.draw(1200, range(3), 0.5, 0)
    members = [Member(("x", m), np.flatnonzero(mask)) for m, mask in enumerate(masks)]
    images = data.test.images.astype(np.float32) / 255
    (fused,) = train(algorithm, data.train, 10, members, width=3)
    alone = torch.cat(
        [g.logits(images) for g in train(algorithm, data.train, 10, members, width=1)]
    )
    torch.testing.assert_close(fused.logits(images), alone, atol=2e-3, rtol=0)
    assert (alone.argmax(2).numpy() == data.test.labels).mean() > 0.6
