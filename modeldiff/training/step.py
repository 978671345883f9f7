"""One step of training: the gradients of a batch for all models of a net, and new weights.

A step is hundreds of small kernels, and starting them one by one can take the host longer than a
GPU takes to run them. `RecordedStep` records them once, as a CUDA graph, and replays it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from modeldiff.study import Algorithm, user_code
from modeldiff.training import augment, optim
from modeldiff.training.light_optimizers import LightOptimizer
from modeldiff.training.nets import Net

FIRST = 3  # steps of each size that are run as they are: the optimizer makes its tensors in them


class Step:
    """A step for all models of `net`. `label`: what they are called, in messages."""

    def __init__(self, algorithm: Algorithm, net: Net, device: str):
        self.algorithm = algorithm
        self.net = net
        self.label = ""
        self.kind = torch.device(device).type
        # Gradients of float16 underflow unless the loss is scaled up; bfloat16 has float32's range.
        scaled = algorithm.precision == "float16"
        self.scaler = torch.amp.GradScaler(self.kind, enabled=scaled)
        self.optimizer = self._optimizer()
        self.peak: float = self.optimizer.param_groups[0]["lr"]

    def _optimizer(self) -> torch.optim.Optimizer | LightOptimizer:
        assert self.algorithm.optimizer is not None
        scaled = self.scaler.is_enabled()
        return optim.optimizer(self.algorithm.optimizer, self.net.parameters, scaled=scaled)

    def restart(self, label: str) -> None:
        """Forget the steps so far: the net holds new models."""
        self.label = label
        self.optimizer = self._optimizer()

    def __call__(self, images: Tensor, labels: Tensor, random: Tensor, rate: float) -> None:
        """Train on a batch.

        images: float32 [models x batch x C x H x W]; labels: int64 [models x batch]; random: what
        augmentation draws, float32 [augmentations x models x batch x DRAWS]; rate: the share of the
        learning rate's peak.
        """
        self.optimizer.param_groups[0]["lr"] = self.peak * rate
        self.compute(images, labels, random)

    def compute(self, images: Tensor, labels: Tensor, random: Tensor) -> None:
        """All that the device does, at the learning rate that is set."""
        if self.algorithm.augment:
            images = augment.augmented(self.algorithm, images, random)
        half = self.algorithm.precision != "float32"
        precision = getattr(torch, self.algorithm.precision) if half else None
        self.optimizer.zero_grad()  # first: a replayed graph may write where the old ones lie
        with user_code.running(self.algorithm.model.name, self.label):
            with torch.autocast(self.kind, precision, enabled=half):
                logits = self.net.logits(images)
            losses = cross_entropy(
                logits.flatten(0, 1).float(),
                labels.flatten(),
                reduction="none",
                label_smoothing=self.algorithm.label_smoothing,
            )
            # The mean over a model's batch, the sum over models: no gradient crosses models.
            self.scaler.scale(losses.sum() / labels.shape[1]).backward()
        if isinstance(self.optimizer, LightOptimizer):
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
        self.scaler.update()


class Recorder(Protocol):
    """What records work of a device."""

    def aside(self) -> AbstractContextManager[None]:
        """A context: what will be recorded later is run in it."""

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` would do; returns what does it, again and again."""


class CudaGraphs:
    """A `Recorder` of CUDA graphs, which share their memory."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """On the stream of the recording: autograd keeps to the stream it has begun on."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            yield
        torch.cuda.current_stream().wait_stream(self.stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """See `Recorder`."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            work()
        return graph.replay


class RecordedStep(Step):
    """The same step, recorded for each size of batch and replayed, for one model after another.

    A recording reads and writes where tensors lay when it was made. So weights, the optimizer's
    tensors, the learning rate and the batch are overwritten, never replaced.
    """

    def __init__(self, algorithm: Algorithm, net: Net, device: str, recorder: Recorder):
        super().__init__(algorithm, net, device)
        self.rate = torch.zeros((), device=device)
        self.recorder = recorder
        self.run: Counter[int] = Counter()  # steps, by the size of their batch
        self.batches: dict[int, tuple[Tensor, ...]] = {}
        self.recordings: dict[int, Callable[[], None]] = {}

    def _optimizer(self) -> torch.optim.Optimizer | LightOptimizer:
        assert self.algorithm.optimizer is not None
        return optim.optimizer(self.algorithm.optimizer, self.net.parameters, recorded=True)

    def restart(self, label: str) -> None:
        """See `Step`: SGD and AdamW start from zeros."""
        self.label = label
        for state in self.optimizer.state.values():
            for value in state.values():
                if isinstance(value, Tensor):
                    value.zero_()

    def __call__(self, images: Tensor, labels: Tensor, random: Tensor, rate: float) -> None:
        """See `Step`."""
        self.rate.fill_(self.peak * rate)
        self.optimizer.param_groups[0]["lr"] = self.rate
        batch = (images, labels, random)
        size = labels.shape[1]
        self.run[size] += 1
        if self.run[size] <= FIRST:
            with self.recorder.aside():
                self.compute(*batch)
            return
        if size not in self.recordings:
            self.batches[size] = tuple(tensor.clone() for tensor in batch)
            self.recordings[size] = self.recorder.record(lambda: self.compute(*self.batches[size]))
        for place, tensor in zip(self.batches[size], batch, strict=True):
            place.copy_(tensor)
        self.recordings[size]()


def recordable(algorithm: Algorithm, device: str) -> bool:
    """Whether a step on a single net can be recorded: on a GPU, and no part reads its results back.

    A user's own parts may; scaling the loss of float16 does.
    """
    parts = [algorithm.model, *algorithm.augment, *algorithm.preprocess]
    own = any(user_code.is_own(part.name) for part in parts)
    return device.startswith("cuda") and algorithm.precision != "float16" and not own
