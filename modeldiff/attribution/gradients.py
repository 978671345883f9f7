"""How much each training example matters to each target, by the gradients of trained models.

With G [train x parameters] and T [targets x parameters] the gradients of the margin of the correct
class (its log-odds) at a trained model, and lambda = `damping` times the mean square of a row of G:

    influence = T (G'G + lambda I)^-1 G'

What training on an example changes is also proportional to how wrong the model is about it. So
`influence` times 1 - p, where p is the probability of the example's own class, predicts margins
better (Park et al. 2023, arXiv 2303.14186); without that factor it shows better which examples
belong together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from modeldiff.core import rng
from modeldiff.dataset import Images
from modeldiff.study import user_code
from modeldiff.training.augment import prepare
from modeldiff.training.loaders import to_float
from modeldiff.training.shard import margin
from modeldiff.training.trained_models import TrainedModels

FEATURES = 2**28  # values kept of the training examples' gradients: 1 GiB
AT_ONCE = 2**25  # values of gradients computed at a time
EXAMPLES = 500  # whose gradients are computed at a time, at most
BLOCK = 2**14  # parameters that are projected together, at most
SIGNS = 2**28  # random signs kept, as float32: 1 GiB
TARGETS = 1000  # whose influences are computed at a time


@dataclass
class Influence:
    """Influences at one model.

    targets: which, first to last. values: float32 [targets x train]. wrong: 1 - p of each training
    example, float32 [train].
    """

    model: int
    targets: range
    values: Tensor
    wrong: Tensor


def influences(
    trained: TrainedModels,
    train: Images,
    targets: Images,
    *,
    damping: float = 1.0,
    dimensions: int | None = None,
) -> Iterator[Influence]:
    """The influence of each training example on each target, by model and range of targets.

    dimensions: number that gradients are projected onto; None: they are kept unprojected if that
    takes at most `FEATURES` values, else projected onto as many dimensions as that allows. Memory,
    in values of 4 bytes: train x dimensions, twice; the smaller of the two squared, twice;
    `TARGETS` x train; `SIGNS` for a projection; and some `AT_ONCE` for a batch.
    Raises UserError if the user's own model cannot be differentiated example by example.
    """
    n_train = len(train.labels)
    for model in range(trained.models):
        gradients = MarginGradients(trained, model, n_train, dimensions)
        g, margins = gradients.of(train, range(n_train))
        influence = preconditioned(g, damping)
        for start in range(0, len(targets.labels), TARGETS):
            some = range(start, min(start + TARGETS, len(targets.labels)))
            of_targets, _ = gradients.of(targets, some)
            yield Influence(model, some, influence(of_targets), torch.sigmoid(-margins))


def preconditioned(g: Tensor, damping: float) -> Callable[[Tensor], Tensor]:
    """The map from T [targets x dimensions] to T (G'G + lambda I)^-1 G' [targets x train].

    This equals T G' (G G' + lambda I)^-1; the smaller of the two matrices is factorised.
    """
    ridge = damping * float(g.square().sum(1).mean())
    examples, dimensions = g.shape
    if dimensions <= examples:
        factor = _factor(g.T @ g, ridge)
        solved = torch.cholesky_solve(g.T, factor)
        return lambda t: t @ solved
    factor = _factor(g @ g.T, ridge)
    return lambda t: torch.cholesky_solve(g @ t.T, factor).T


def _factor(square: Tensor, ridge: float) -> Tensor:
    """The Cholesky factor of square + ridge I."""
    square.diagonal().add_(ridge)
    return torch.linalg.cholesky(square)


class MarginGradients:
    """Gradients of margins, example by example, at one model; projected if there are too many."""

    def __init__(
        self, trained: TrainedModels, model: int, n_train: int, dimensions: int | None = None
    ):
        self.algorithm = trained.algorithm
        self.module = trained.module
        self.device = next(iter(trained.state.values())).device
        self.module.to(self.device).eval()
        learned = {name for name, p in self.module.named_parameters() if p.requires_grad}
        self.parameters: dict[str, Tensor] = {}
        self.fixed: dict[str, Tensor] = {}  # buffers, and parameters that are not trained
        for name, stacked in trained.state.items():
            tensors = self.parameters if name in learned else self.fixed
            tensors[name] = stacked[model]
        self.count = sum(parameter.numel() for parameter in self.parameters.values())
        kept = dimensions or FEATURES // n_train
        self.projection: Projection | None = None
        if kept < self.count:
            self.projection = Projection(self.count, kept, self.device)

    def of(self, data: Images, rows: range) -> tuple[Tensor, Tensor]:
        """Gradients [rows x dimensions] and margins [rows] of these examples, float32."""
        gradients = []
        margins = []
        at_once = min(EXAMPLES, max(1, AT_ONCE // self.count))
        for start in range(rows.start, rows.stop, at_once):
            some = slice(start, min(start + at_once, rows.stop))
            images = to_float(torch.from_numpy(data.images[some]).to(self.device))
            labels = torch.from_numpy(data.labels[some]).to(self.device)
            with user_code.running(self.algorithm.model.name, "gradients of single examples"):
                gradient, values = self._batch(prepare(self.algorithm, images), labels)
            if self.projection is not None:
                gradient = self.projection.of(gradient)
            gradients.append(gradient)
            margins.append(values)
        return torch.cat(gradients), torch.cat(margins)

    def _batch(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Of one batch: [batch x parameters] and [batch]."""
        each = vmap(grad_and_value(self._margin), in_dims=(None, 0, 0))
        by_name, margins = each(self.parameters, images, labels)
        flat = [gradient.detach().flatten(1) for gradient in by_name.values()]
        return torch.cat(flat, 1), margins.detach()

    def _margin(self, parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        """The margin of a single example."""
        logits = self._logits(parameters, image)
        if self.algorithm.flip_average:
            logits = (logits + self._logits(parameters, image.flip(2))) / 2
        return margin(logits[None], label[None], "log_odds")[0, 0]

    def _logits(self, parameters: dict[str, Tensor], image: Tensor) -> Tensor:
        logits: Tensor = functional_call(self.module, parameters | self.fixed, (image[None],))
        return logits


class Projection:
    """A random projection of gradients that keeps their products on average.

    Each block of parameters is projected onto its share of the dimensions, by random signs. This
    takes fewer products, and fewer signs to keep, than projecting all parameters together. Blocks
    hold `BLOCK` parameters, or fewer where their signs would be more than `SIGNS`.
    """

    def __init__(self, parameters: int, dimensions: int, device: torch.device):
        blocks = max(-(-parameters // BLOCK), -(-parameters * dimensions // SIGNS))
        blocks = min(blocks, dimensions)
        self.signs: list[Tensor] = []
        for block in range(blocks):
            rows = _share(parameters, block, blocks)
            columns = _share(dimensions, block, blocks)
            random = torch.Generator().manual_seed(rng.seed("projection", block))
            signs = torch.randint(0, 2, (rows, columns), generator=random, dtype=torch.int8)
            self.signs.append((2.0 * signs - 1).to(device) / columns**0.5)

    def of(self, gradients: Tensor) -> Tensor:
        """Of gradients [n x parameters]: [n x dimensions]."""
        parts = gradients.split(list(map(len, self.signs)), dim=1)
        projected = []
        for part, signs in zip(parts, self.signs, strict=True):
            projected.append(part @ signs)
        return torch.cat(projected, 1)


def _share(total: int, part: int, parts: int) -> int:
    """How many of `total` belong to one of the parts, which are as equal as possible."""
    return total * (part + 1) // parts - total * part // parts
