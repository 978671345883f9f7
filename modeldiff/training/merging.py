"""Merging: one model is made of several, which were trained on their own parts of the data.

`merge` is a step after training (`trains: 2`, `finish: {name: merge, method: ...}`). Every method
is the mean of the models' tensors; they differ in how the mean is weighted, and of which tensors.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.functional import cross_entropy, log_softmax

from modeldiff.training.linear_layers import noted_inputs
from modeldiff.training.nets import tensors

FLOOR = 1e-6  # of a Fisher information, as its authors have it
SHARES = 11  # weights of the first model that are tried, from 0 to 1
VALUES = 2**24  # derivatives that are held at a time
AT_ONCE = 4096  # images whose inputs to layers are held
NEARLY_NONE = 1e-12  # of the mean square of an input: what unused inputs follow the mean by

State = dict[str, Tensor]


def merge(
    models: list[nn.Module],
    images: Tensor,
    labels: Tensor,
    seed: int,
    *,
    method: str,
    off_diagonal: float = 0.9,
) -> nn.Module:
    """The first of the models, with the merged tensors; in use, batch statistics are the mean.

    method: `mean`; `fisher` (arXiv 2111.09832), each parameter weighted by its Fisher information
    on the model's own images; `regmean` (arXiv 2212.09849), linear layers by least squares on what
    goes into them, the rest the mean; `first`, the first model as it is, which shows what one of
    them knows. images, labels: of the models' parts, one part after the other.
    off_diagonal: of `regmean`, what sums of products of two inputs are multiplied by.
    """
    parts = images.tensor_split(len(models))
    for model in models:
        model.eval()
    match method:
        case "mean":
            merged = weighted_mean([_own(model) for model in models], [])
        case "fisher":
            informations = []
            for model, own in zip(models, parts, strict=True):
                informations.append(fisher_information(model, own))
            merged = _searched(models, informations, images, labels)
        case "regmean":
            grams = [input_products(model, own) for model, own in zip(models, parts, strict=True)]
            merged = regression_mean([_own(model) for model in models], grams, off_diagonal)
        case "first":
            merged = _own(models[0])
    with torch.no_grad():
        for name, tensor in tensors(models[0]).items():
            tensor.copy_(merged[name])
    return models[0].train()


def weighted_mean(states: Sequence[State], weights: Sequence[State]) -> State:
    """Tensor by tensor the mean of models, weighted where there are weights; equally elsewhere.

    Whole numbers, such as counts of batches, are the first model's.
    """
    merged = {}
    for name, first in states[0].items():
        values = torch.stack([state[name] for state in states])
        if not first.is_floating_point():
            merged[name] = first
        elif weights and name in weights[0]:
            shares = torch.stack([weight[name] for weight in weights])
            merged[name] = (shares * values).sum(0) / shares.sum(0)
        else:
            merged[name] = values.mean(0)
    return merged


def fisher_information(model: nn.Module, images: Tensor) -> State:
    """The diagonal of a model's Fisher information on images, of each parameter.

    The mean over the images of the expected squared derivative of the log-probability of a label,
    the expectation over all labels as the model has them, not over drawn ones.
    """
    parameters = {name: tensor.detach() for name, tensor in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def log_probabilities(own: State, image: Tensor) -> Tensor:
        return log_softmax(functional_call(model, (own, buffers), (image[None],))[0], 0)

    def expected_squares(image: Tensor) -> State:
        probabilities = log_probabilities(parameters, image).exp()
        derivatives = jacrev(log_probabilities)(parameters, image)
        squares = {}
        for name, of_labels in derivatives.items():
            squares[name] = torch.tensordot(probabilities, of_labels**2, 1)
        return squares

    with torch.no_grad():
        classes = model(images[:1]).shape[1]
    size = classes * sum(tensor.numel() for tensor in parameters.values())
    total = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
    for some in images.split(max(1, VALUES // size)):
        for name, squares in vmap(expected_squares)(some).items():
            total[name] += squares.sum(0)
    return {name: summed / len(images) for name, summed in total.items()}


def fisher_weights(informations: Sequence[State], shares: Sequence[float]) -> list[State]:
    """What each model's parameters weigh: its share times its information, of norm 1, floored."""
    weights = []
    for information, share in zip(informations, shares, strict=True):
        squares = [(one.double() ** 2).sum() for one in information.values()]
        norm = torch.stack(squares).sum().sqrt().clamp(min=FLOOR)
        own = {}
        for name, values in information.items():
            own[name] = share * (values.clamp(min=FLOOR) / norm).to(values.dtype)
        weights.append(own)
    return weights


def _searched(
    models: Sequence[nn.Module], informations: Sequence[State], images: Tensor, labels: Tensor
) -> State:
    """The Fisher-weighted mean whose shares of two models have the smallest loss on all images.

    Each of the images is held out from all models but one. More than two models share equally.
    """
    states = [_own(model) for model in models]
    if len(models) != 2:
        return weighted_mean(states, fisher_weights(informations, [1.0] * len(models)))
    best: State = {}
    smallest = torch.inf
    for place in range(SHARES):
        share = place / (SHARES - 1)
        merged = weighted_mean(states, fisher_weights(informations, [share, 1 - share]))
        loss = _loss(models[0], merged, images, labels)
        if loss < smallest:
            best, smallest = merged, loss
    return best or states[0]  # where no loss is a number


@torch.no_grad()
def _loss(model: nn.Module, state: State, images: Tensor, labels: Tensor) -> float:
    return float(cross_entropy(functional_call(model, state, (images,)), labels))


@torch.no_grad()
def input_products(model: nn.Module, images: Tensor) -> State:
    """Of each linear layer's weight, by name, the sums of products of any two of the layer's inputs
    over images: float64 [inputs x inputs].
    """
    names = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.Linear):
            names[layer] = f"{name}.weight".removeprefix(".")
    products: State = {}
    for some in images.split(AT_ONCE):
        with noted_inputs(model) as inputs:
            model(some)
        for layer, given in inputs:
            rows = given.reshape(-1, given.shape[-1]).double()
            name = names[layer]
            products[name] = products.get(name, 0) + rows.T @ rows
    return products


def regression_mean(
    states: Sequence[State], products: Sequence[State], off_diagonal: float
) -> State:
    """Linear layers by least squares, W = (sum of G_i)^-1 sum of G_i W_i; other tensors the mean.

    products: G_i, see `input_products`, of which all but the diagonal is multiplied by
    `off_diagonal`. With 1, and models that are least-squares fits, W is the fit on all their data.
    """
    merged = weighted_mean(states, [])
    for name in products[0]:
        mean = merged[name].double().T
        total = torch.zeros_like(products[0][name])
        product = torch.zeros_like(mean)
        for state, of_model in zip(states, products, strict=True):
            gram = off_diagonal * of_model[name]
            gram.diagonal().copy_(of_model[name].diagonal())
            total += gram
            product += gram @ state[name].double().T
        tiny = NEARLY_NONE * total.diagonal().mean()
        total.diagonal().add_(tiny)
        solved = torch.linalg.solve(total, product + tiny * mean)
        merged[name] = solved.T.to(merged[name].dtype)
    return merged


def _own(model: nn.Module) -> State:
    """A model's tensors as they are now; those of the first are overwritten later."""
    return {name: tensor.detach().clone() for name, tensor in tensors(model).items()}
