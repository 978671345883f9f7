"""Training many models of one algorithm, some at once.

Model m's initial weights, batch order and augmentation depend only on its identity, never on its
neighbours; what is left between different widths is the float rounding of differently shaped
products.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from modeldiff.core import arguments, rng
from modeldiff.core.errors import UserError, described
from modeldiff.dataset import Images
from modeldiff.study import Algorithm, components, user_code
from modeldiff.study.components import Component
from modeldiff.training import building, contract, models
from modeldiff.training.augment import prepare, preprocess
from modeldiff.training.checkpoint import JobCheckpoint
from modeldiff.training.estimators import EstimatorModule
from modeldiff.training.finishing import Finisher, parts
from modeldiff.training.fit import Member, fit, shuffled
from modeldiff.training.loaders import Batch, InMemoryLoader, Loader, Prepare
from modeldiff.training.nets import SingleNet, Stack, tensors
from modeldiff.training.step import CudaGraphs, RecordedStep, Step, recordable
from modeldiff.training.trained_models import TrainedModels


def train(
    algorithm: Algorithm,
    data: Images,
    classes: int,
    members: Sequence[Member],
    *,
    width: int,
    device: str = "cpu",
    compiled: bool = False,
    kept: JobCheckpoint | None = None,
    ended: Callable[[int], None] | None = None,
    forget: np.ndarray | None = None,
) -> Iterator[TrainedModels]:
    """Train `members` in groups of at most `width`; yields each group, in order.

    data: the training images, uint8 [n x C x H x W]; each member uses some of them, those of a
    group equally many. Memory grows with `width`, not with the number of members; if it runs out,
    `width` is halved. compiled: by torch.compile, where models train alone.
    kept: what was saved of these models, to go on from, and to save to. ended: called after each
    epoch of a group with how many it has had. Neither is for a user's own training function.
    forget: what the algorithm's `finish` is to forget, bool [n_train]; see `dataset.groups`.
    """
    _check(algorithm, data, classes, members, width)
    trainer = _Trainer(algorithm, data, classes, device, compiled, forget)
    width, start = width if trainer.stacks else 1, 0
    while start < len(members):
        group = _of_one_size(members[start : start + width])
        try:
            state = trainer.train(group, kept, ended)
        except torch.OutOfMemoryError:
            if len(group) == 1:
                raise UserError(
                    f"model {algorithm.model.name}: a batch of {algorithm.batch} does not fit into "
                    "the GPU's memory, even one model at a time; use a smaller `batch`, "
                    "`precision: bfloat16` or a larger GPU"
                ) from None
            width = len(group) // 2
        else:
            yield TrainedModels(
                algorithm, trainer.module, state, trainer.batched, "a model that was trained"
            )
            start += len(group)
            continue
        # Outside the handler, since the error holds on to what did not fit.
        print(f"modeldiff: out of memory: continuing with {width} at once", file=sys.stderr)
        torch.cuda.empty_cache()


def _check(
    algorithm: Algorithm, data: Images, classes: int, members: Sequence[Member], width: int
) -> None:
    """UserError for arguments of `train` that are something else, or do not match."""
    if not isinstance(algorithm, Algorithm) or not algorithm.trained:
        wanted = "an algorithm of a study that says how to train"
        raise UserError(f"algorithm: is {described(algorithm)}; must be {wanted}")
    if not isinstance(data, Images):
        raise UserError(f"data: is {described(data)}; must be modeldiff.dataset.Images")
    arguments.whole("classes", classes, 2)
    arguments.whole("width", width, 1)
    for member in members:
        if not isinstance(member, Member):
            raise UserError(f"members: hold {described(member)}; must be training.Member")
        examples = member.examples
        whole = getattr(examples, "ndim", 0) == 1 and examples.dtype.kind in "iu"
        if not whole or not len(examples):
            raise UserError(f"members: examples are {described(examples)}; must be int64 [n]")
        if examples.min() < 0 or examples.max() >= len(data.labels):
            came = f"examples are {examples.min()} to {examples.max()}"
            raise UserError(f"members: {came}; must be 0 to {len(data.labels) - 1}")


def _of_one_size(members: Sequence[Member]) -> Sequence[Member]:
    """The first of them, up to one that uses more or fewer examples."""
    for number, member in enumerate(members):
        if len(member.examples) != len(members[0].examples):
            return members[:number]
    return members


class _Trainer:
    """Trains groups of models of one algorithm on one data set."""

    def __init__(
        self,
        algorithm: Algorithm,
        data: Images,
        classes: int,
        device: str,
        compiled: bool,
        forget: np.ndarray | None,
    ):
        if algorithm.precision == "float16" and device == "cpu":
            raise UserError(
                "precision: float16 needs a GPU (`training: {gpu: 1}`); on a CPU use bfloat16"
            )
        self.algorithm, self.device, self.classes = algorithm, device, classes
        # With augmentation, preprocessing follows it, batch by batch.
        kept_as = None if algorithm.augment else partial(prepare, algorithm)
        self.loader = _opened(data, kept_as, device)
        self.n_train, self.shape = len(data.labels), tuple(data.images.shape[1:])
        self.module = self._build(0)
        self.batched = building.batches(algorithm, self.module, data, classes, device)
        # Autocast does not reach into vmap.
        self.stacks = algorithm.train is None and algorithm.precision == "float32" and self.batched
        # A module of the user's own may view its tensors in the usual order.
        pictures = len(self.shape) == 3
        self.channels_last = pictures and algorithm.model.name in models.MODELS
        self.compiled = compiled
        self.recorded = recordable(algorithm, device)
        self.reused = self._single(self._build(0)) if compiled or self.recorded else None
        self.finisher = None
        if algorithm.finish is not None:
            self.finisher = Finisher(algorithm, self.loader, forget, device)

    def _build(self, seed: int, of: str = "") -> nn.Module:
        return building.build(self.algorithm, self.shape, self.classes, seed, of)

    def _members(self, group: Sequence[Member]) -> list[nn.Module]:
        """A new module for each of `group`; UserError if one of the user's own is another net."""
        part, modules = self.algorithm.model.name, []
        for member in group:
            module = self._build(rng.seed("weights", *member.identity), member.label)
            if user_code.is_own(part):
                contract.check_layout(part, member.label, tensors(module), tensors(self.module))
            modules.append(module)
        return modules

    def _single(self, module: nn.Module) -> Step:
        """Steps of one model at a time."""
        net = SingleNet(
            module,
            self.device,
            channels_last=self.channels_last,
            compiled=self.compiled,
            recorded=self.recorded,
        )
        if self.recorded:
            return RecordedStep(self.algorithm, net, self.device, CudaGraphs())
        return Step(self.algorithm, net, self.device)

    def _step(self, modules: list[nn.Module]) -> Step:
        """Steps of new models."""
        if len(modules) > 1:
            return Step(self.algorithm, Stack(modules, self.device), self.device)
        if self.reused is None:
            return self._single(modules[0])
        net = self.reused.net
        assert isinstance(net, SingleNet)
        net.start(modules[0])
        return self.reused

    def train(
        self,
        group: Sequence[Member],
        kept: JobCheckpoint | None,
        ended: Callable[[int], None] | None,
    ) -> dict[str, Tensor]:
        """The tensors of the models of `group`, trained and finished, each [models x ...]."""
        divided = [parts(member, self.algorithm.trains) for member in group]
        trained = []
        for together in zip(*divided, strict=True):
            trained.append(self._train(group, together, kept, ended))
        if self.finisher is None:
            return trained[0]
        left = []
        for place, member in enumerate(group):
            models = [self._loaded(member, state, place) for state in trained]
            left.append(self.finisher(member, models))
        return {name: torch.stack([one[name] for one in left]) for name in left[0]}

    def _train(
        self,
        group: Sequence[Member],
        together: Sequence[Member],
        kept: JobCheckpoint | None,
        ended: Callable[[int], None] | None,
    ) -> dict[str, Tensor]:
        """Train `together`, a part of each of `group`, from the first weights of `group`."""
        modules = self._members(group)
        if isinstance(modules[0], EstimatorModule):
            return self._fitted(together[0], modules[0])
        if self.algorithm.train is not None:
            return self._own(self.algorithm.train, together[0], modules[0].to(self.device))
        self._initialise(modules, group)
        step = self._step(modules)
        step.restart(group[0].label)
        gpus = [torch.cuda.current_device()] if self.device != "cpu" else []
        with torch.random.fork_rng(gpus):  # for dropout and the like
            torch.manual_seed(rng.seed("noise", *together[0].identity))
            return fit(step, self.loader, self.n_train, together, self.device, kept, ended)

    def _loaded(self, member: Member, state: dict[str, Tensor], place: int) -> nn.Module:
        """A module that holds one of the models of a state."""
        module = self._build(0, member.label).to(self.device)
        with torch.no_grad():
            for name, tensor in tensors(module).items():
                tensor.copy_(state[name][place])
        return module

    def _initialise(self, modules: Sequence[nn.Module], group: Sequence[Member]) -> None:
        """Let modules that compute first weights from images do so."""
        if not hasattr(modules[0], "initialise"):
            return
        # The whole epoch is requested: FFCV's loader is compiled for the requested shape.
        order = torch.from_numpy(np.stack([shuffled(member, 0) for member in group]))
        first = next(self.loader.epoch(order.to(self.device), self.algorithm.batch))
        for member, module, images in zip(group, modules, first.images, strict=True):
            prepared = preprocess(self.algorithm, images) if self.algorithm.augment else images
            with user_code.running(self.algorithm.model.name, f"initialise, {member.label}"):
                module.initialise(prepared)  # type: ignore[operator]

    def _fitted(self, member: Member, module: EstimatorModule) -> dict[str, Tensor]:
        """Fit a classifier of scikit-learn's; the module that holds it is that of its group."""
        everything = self._everything(member)
        seed = rng.seed("estimator", *member.identity)
        with user_code.running(self.algorithm.model.name, member.label):
            module.fit(everything.images[0], everything.labels[0], seed)
        self.module = module
        return {"seed": torch.tensor([seed])}

    def _everything(self, member: Member) -> Batch:
        """All examples of a member as one batch."""
        rows = torch.from_numpy(member.examples)[None].to(self.device)
        (everything,) = self.loader.epoch(rows, rows.shape[1])
        return everything

    def _own(self, part: Component, member: Member, module: nn.Module) -> dict[str, Tensor]:
        """Train with the user's own training function."""
        everything = self._everything(member)
        images, labels = everything.images[0], everything.labels[0]
        seed = rng.seed("train", *member.identity)
        before = {name: tensor.detach().clone() for name, tensor in tensors(module).items()}
        function = components.load(part.name)
        with user_code.running(part.name, member.label):
            returned = function(module, images, labels, seed, **part.options)
        contract.check_layout(part.name, member.label, tensors(module), tensors(self.module))
        contract.check_trained(part.name, member.label, returned, before, module)
        return {name: tensor.detach()[None] for name, tensor in tensors(module).items()}


def _opened(data: Images, prepare: Prepare | None, device: str) -> Loader:
    """The loader of `data`: FFCV for images in an FFCV file, otherwise they are kept in memory.

    prepare: what is done to every image, always; None if they change from epoch to epoch.
    """
    if data.beton is None:
        return InMemoryLoader(data, prepare, device)
    from modeldiff.training.ffcv import Ffcv

    return Ffcv(data, prepare, device)
