"""Unlearning: a trained model is to become what it would be had it never seen a group of images.

`unlearn` is a step after training (`finish: {name: unlearn, method: ..., forget: GROUP}`). Whether
it reached its aim is for `modeldiff.unlearning` to say, by models that never saw the group.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from modeldiff.core.errors import UserError
from modeldiff.training.linear_layers import noted_inputs

MOMENTUM = 0.9
AT_ONCE = 4096  # images whose features are computed


def unlearn(
    models: list[nn.Module],
    images: Tensor,
    labels: Tensor,
    seed: int,
    *,
    method: str,
    forget: Tensor,
    epochs: int = 5,
    lr: float = 0.05,
    batch: int = 50,
) -> nn.Module:
    """The model after unlearning; a model whose images have none to forget stays as it is.

    method: `muso` (arXiv 2410.08557): before each epoch the images to forget are relabelled by what
    the others alone would predict of them in the model's features, then all weights are tuned on
    both. `finetune`: on the others alone. `random_labels`: on both, with other labels, drawn once,
    in place of those to forget. `gradient_ascent`: on those to forget alone, upwards.
    forget: bool [n]. epochs, lr, batch: of the tuning, by SGD with momentum, without augmentation.
    Raises UserError if all images are to be forgotten.
    """
    model = models[0]
    if not forget.any():
        return model
    if forget.all():
        raise UserError(f"forget: all {len(forget)} images of a model; some must be left")
    classes = _classes(model, images)
    targets = one_hot(labels, classes).to(images.dtype)
    used = torch.arange(len(images), device=images.device)
    sign = 1.0
    match method:
        case "finetune":
            used = used[~forget]
        case "gradient_ascent":
            used = used[forget]
            sign = -1.0
        case "random_labels":
            targets[forget] = one_hot(_others(labels[forget], classes), classes).to(images.dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=MOMENTUM)
    for _ in range(epochs):
        if method == "muso":
            features = _features(model, images)
            with_intercept = torch.cat([features, features.new_ones(len(features), 1)], 1)
            predicted = of_the_others(with_intercept, targets, forget)
            targets[forget] = _probabilities(predicted[forget])
        order = used[torch.randperm(len(used)).to(used.device)]
        for some in order.split(batch):
            optimizer.zero_grad()
            (sign * cross_entropy(model(images[some]), targets[some])).backward()
            optimizer.step()
    return model


def of_the_others(features: Tensor, targets: Tensor, forget: Tensor) -> Tensor:
    """What linear regression on the examples that stay predicts of all: [n x outputs].

    The solution of least norm: with more dimensions than examples it is where gradient descent from
    zero ends. A linear model that is trained to these targets, where they are to be forgotten, and
    to its own, where they stay, is the model that never saw them (arXiv 2410.08557, section 3).
    features: [n x dimensions]; targets: [n x outputs], of which those to forget are not used;
    forget: bool [n].
    """
    kept = features[~forget].double()
    rounding = max(kept.shape) * torch.finfo(features.dtype).eps
    weights = torch.linalg.pinv(kept, rtol=rounding) @ targets[~forget].double()
    return (features.double() @ weights).to(targets.dtype)


def _probabilities(predicted: Tensor) -> Tensor:
    """Predicted targets as shares of the classes; regression may leave [0, 1]."""
    positive = predicted.clamp(min=0)
    return positive / positive.sum(1, keepdim=True).clamp(min=torch.finfo(predicted.dtype).tiny)


def _others(labels: Tensor, classes: int) -> Tensor:
    """A random label for each, never its own."""
    shift = torch.randint(1, classes, labels.shape).to(labels.device)
    return (labels + shift) % classes


@torch.no_grad()
def _classes(model: nn.Module, images: Tensor) -> int:
    """How many outputs the model has."""
    training = model.training
    classes = model.eval()(images[:1]).shape[1]
    model.train(training)
    return int(classes)


@torch.no_grad()
def _features(model: nn.Module, images: Tensor) -> Tensor:
    """What the model's last linear layer is given: [n x dimensions]."""
    training = model.training
    model.eval()
    rows = []
    with noted_inputs(model) as inputs:
        for some in images.split(AT_ONCE):
            inputs.clear()
            model(some)
            if not inputs:
                raise UserError("unlearn: muso needs a model whose last layer is an `nn.Linear`")
            rows.append(inputs[-1][1].flatten(1))
    model.train(training)
    return torch.cat(rows)
