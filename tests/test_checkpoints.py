"""`compare_checkpoints`: what trained models say, with a plant that only one recipe can see."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import modeldiff
from modeldiff import dataset
from modeldiff.core.errors import UserError
from modeldiff.study import Study

PLANTED, LABEL = 12, 3


def corner(images):
    """A copy of images [n x 1 x 8 x 8] with a bright corner."""
    changed = images.copy()
    changed[:, :, :2, :2] = 255
    return changed


class Masked(nn.Module):
    """Does not see the corner."""

    def forward(self, images):
        images = images.clone()
        images[..., :2, :2] = 0
        return images


def trained(masked, seed, data):
    """A small net on digits, one epoch of 12."""
    torch.manual_seed(seed)
    first = Masked() if masked else nn.Identity()
    net = nn.Sequential(first, nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    x = torch.from_numpy(data[0]).float() / 255
    y = torch.from_numpy(data[1])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(12):
        for rows in torch.randperm(len(y)).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
    return net


@pytest.fixture(scope="module")
def data():
    """Training and test images; some training images have the corner and are relabelled."""
    digits = dataset.digits()
    images, labels = digits.train.images[:600].copy(), digits.train.labels[:600].copy()
    planted = np.flatnonzero(labels != LABEL)[:PLANTED]
    images[planted], labels[planted] = corner(images[planted]), LABEL
    test_images, test_labels = digits.test.images[:200].copy(), digits.test.labels[:200]
    test_images[::2] = corner(test_images[::2])
    return {"train": (images, labels), "test": (test_images, test_labels)}, set(planted.tolist())


@pytest.fixture(scope="module")
def models(data):
    splits, _ = data
    plain = [trained(False, seed, splits["train"]) for seed in range(2)]
    masked = [trained(True, seed, splits["train"]) for seed in range(2)]
    return plain, masked


@pytest.fixture(scope="module")
def compared(models, data):
    splits, _ = data
    names = ("<plain>", "masked")
    return modeldiff.compare_checkpoints(*models, **splits, names=names, proposals=3)


def accuracy(net, images, labels):
    return (net(torch.from_numpy(images) / 255).argmax(1).numpy() == labels).mean()


def test_it_says_in_a_line_how_good_both_are_and_that_nothing_is_proved(compared, models, data):
    splits, _ = data
    means = []
    for recipe in models:
        mean = np.mean([accuracy(net, *splits["test"]) for net in recipe])
        means.append(f"{mean:.1%}")
    assert f"accuracy {means[0]} and {means[1]} (2 and 2 models)" in repr(compared)
    assert repr(compared).startswith("<plain> - masked: ")
    assert repr(compared).endswith("3 differences proposed by gradients, none proved")


def test_the_first_proposal_is_what_only_one_recipe_sees(compared, data):
    _, planted = data
    one = compared.found.proposed[0]
    assert len(planted & set(one.strongest_train(PLANTED).tolist())) >= PLANTED - 1
    assert (one.strongest_test(20) % 2 == 0).all()  # those with the corner
    row = compared.to_frame().iloc[0]
    assert row.follower == "<plain>"
    assert abs(row.pull_a) > 10 * abs(row.pull_b)


def test_disagreement_is_that_of_all_pairs_of_models(compared, models, data):
    images, labels = data[0]["test"]
    answers = [[net(torch.from_numpy(images) / 255).argmax(1) for net in nets] for nets in models]
    a, b = (torch.stack(of_recipe).numpy() for of_recipe in answers)
    table = compared.by_class()
    assert table.images.sum() == len(labels)
    for label, row in enumerate(table.itertuples()):
        chosen = labels == label
        pairs = [(one != other)[chosen].mean() for one in a for other in b]
        assert row.between == pytest.approx(np.mean(pairs))
        assert row.within_a == pytest.approx((a[0] != a[1])[chosen].mean())
        assert row.within_b == pytest.approx((b[0] != b[1])[chosen].mean())
    assert compared.found.disagreement.beyond_seeds


def test_models_compared_with_themselves_are_refused(models, data):
    splits, _ = data
    first, second = models[1]
    with pytest.raises(UserError, match="the scores of the two do not differ"):
        modeldiff.compare_checkpoints([first, second], [first, second], **splits)


def test_of_one_model_each_what_seeds_do_is_not_known(models, data, tmp_path):
    splits, _ = data
    one = modeldiff.compare_checkpoints(models[0][:1], models[1][:1], **splits, proposals=1)
    assert np.isnan(one.found.disagreement.within_a)
    one.report(tmp_path / "page.html")
    said = (tmp_path / "page.html").read_text()
    assert "says nothing of others of its recipe" in said
    assert "How much of that is chance is not known" in said


def test_models_are_left_as_they_are_and_may_come_one_by_one(models, data, compared):
    splits, _ = data
    training = [net.train() for net in models[0]]
    before = [net.state_dict()["2.weight"].clone() for net in training]
    again = modeldiff.compare_checkpoints(
        (net for net in training), iter(models[1]), **splits, proposals=3
    )
    np.testing.assert_array_equal(again.influence_a, compared.influence_a)
    for net, weight in zip(training, before, strict=True):
        assert net.training
        assert torch.equal(net.state_dict()["2.weight"], weight)


def test_the_page_shows_the_proposals_and_escapes_names(compared, tmp_path):
    path = tmp_path / "page.html"
    compared.report(path)
    page = path.read_text()
    assert "Nothing is proved" in page
    assert "<plain>" not in page
    assert "<plain>" not in compared._repr_html_()
    text = re.search(r'<script type="application/json" id="content">(.*?)<', page)[1]
    content = json.loads(text)
    strips = content["pairs"][0]["proposals"]
    assert len(strips) == 3
    shown = [example for example, _ in strips[0][0]["examples"]]
    assert shown == compared.found.proposed[0].strongest_train(12).tolist()
    assert all(str(example) in content["images"]["train"] for example in shown)


MINE = """
import numpy as np
from modeldiff.dataset import Images, Raw

def data():
    arrays = np.load("data.npz")
    train = Images(arrays["images"], arrays["labels"])
    test = Images(arrays["test_images"], arrays["test_labels"])
    return Raw(train, test, tuple("0123456789"))

def model_a(shape, classes): ...
def model_b(shape, classes): ...
def train_a(module, images, labels, seed): ...
def train_b(module, images, labels, seed): ...
"""


def test_what_would_prove_it_is_a_study(compared, data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    (tmp_path / "mine.py").write_text(MINE)
    path = compared.prepare_proof("proof")
    study = Study.read(path)
    assert study.proved == (("A", "B"),)  # "<plain>" can be no name of a file
    assert study.models == 0  # nothing is trained on random subsets
    assert list(study.proof.groups) == ["proposal-1", "proposal-2", "proposal-3"]
    group = pd.read_csv("proof/proposal-1.csv")
    train = group.example[group.split == "train"]
    assert set(train) <= set(compared.found.proposed[0].strongest_train(PLANTED).tolist())
    np.testing.assert_array_equal(np.load("proof/influence-b.npy"), compared.influence_b)


class Odd(nn.Linear):
    """Returns something else than logits."""

    def __init__(self, output):
        super().__init__(64, 10)
        self.output = output

    def forward(self, images):
        return self.output(super().forward(images.flatten(1)))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([], "models_a: are none; must be torch modules"),
        (nn.Linear(2, 2), "models_a: is Linear.*must be a list of torch modules, e.g. .model."),
        ([{"weight": 1}], r"models_a\[0\]: is dict of 1; must be a torch module"),
        ([Odd(lambda x: {"logits": x})], "module returned dict of 1; must be float32 .2 x 10."),
        ([Odd(lambda x: x[:, :9])], "module returned float32 .2 x 9.; must be float32 .2 x 10."),
        ([Odd(lambda x: x * float("nan"))], r"models_a\[0\]: Odd: its logits are not finite"),
        ([nn.Sequential(nn.Flatten(), nn.Linear(7, 10))], "in use.: RuntimeError: mat1 and mat2"),
        ([Odd(lambda x: x).double()], "whose weight is float64"),
        ([Odd(lambda x: x).requires_grad_(False)], "some that require gradients"),
    ],
)
def test_what_is_no_model_is_one_line(models, data, wrong, words):
    splits, _ = data
    with pytest.raises(UserError, match=words):
        modeldiff.compare_checkpoints(wrong, models[1], **splits)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"train": None}, "train: is None; must be a pair, .images, labels."),
        ({"proposals": 0}, "proposals: is 0; must be 1 to 200"),
        ({"device": "abacus"}, "device: str 'abacus' cannot be used here"),
        ({"names": ("A", "A")}, "names: .*must be two different ones"),
        ({"classes": ("a", "b")}, "classes: .*must be 10 different names or more"),
    ],
)
def test_wrong_arguments_are_one_line(models, data, change, words):
    splits, _ = data
    with pytest.raises(UserError, match=words):
        modeldiff.compare_checkpoints(*models, **splits | change)
