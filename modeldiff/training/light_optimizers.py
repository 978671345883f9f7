"""SGD and AdamW: `torch.optim` without torch's compiler.

The first optimizer of `torch.optim` that a process makes imports `torch._dynamo`, 1.1 CPU seconds
in each job that trains. The functions that its classes call do not. The weights are the same, bit
for bit, and so is the form of `state_dict`.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd


class LightOptimizer:
    """Parameters, and the tensors that an optimizer keeps of each; as much of a
    `torch.optim.Optimizer` as training asks for.
    """

    def __init__(self, parameters: list[Tensor], lr: float, weight_decay: float):
        self.param_groups: list[dict[str, Any]] = [{"lr": lr}]  # of the next step
        self.parameters = parameters
        self.weight_decay = weight_decay
        self.state: dict[int, dict[str, Tensor]] = {i: {} for i in range(len(parameters))}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change the parameters by their gradients; those that have none stay as they are."""
        learned = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        parameters = [self.parameters[i] for i in learned]
        gradients = [parameter.grad for parameter in parameters]
        self._update(parameters, gradients, [self.state[i] for i in learned])

    def _update(
        self, parameters: list[Tensor], gradients: list[Any], states: list[dict[str, Tensor]]
    ) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What the optimizer keeps; not copied."""
        return {"state": self.state}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`."""
        for i, parameter in enumerate(self.parameters):
            kept = state_dict["state"].get(i, {})
            self.state[i] = {name: value.to(parameter.device) for name, value in kept.items()}


class Sgd(LightOptimizer):
    """`torch.optim.SGD(fused=True)`."""

    def __init__(
        self,
        parameters: list[Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.momentum = momentum
        self.nesterov = nesterov

    def _update(
        self, parameters: list[Tensor], gradients: list[Any], states: list[dict[str, Tensor]]
    ) -> None:
        averages = [state.get("momentum_buffer") for state in states]
        sgd(
            parameters,
            gradients,
            averages,
            fused=True,
            lr=self.param_groups[0]["lr"],
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            nesterov=self.nesterov,
            dampening=0,
            maximize=False,
        )
        if self.momentum:
            for state, average in zip(states, averages, strict=True):
                assert average is not None  # made at the first step
                state["momentum_buffer"] = average


class AdamW(LightOptimizer):
    """`torch.optim.AdamW`; `torch.optim.Adam` if weights do not decay.

    fused: by the kernel that passes over the weights once; None: as torch does by default, which
    rounds otherwise.
    """

    def __init__(
        self,
        parameters: list[Tensor],
        lr: float,
        weight_decay: float = 0.01,
        fused: bool | None = True,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.fused = fused

    def _update(
        self, parameters: list[Tensor], gradients: list[Any], states: list[dict[str, Tensor]]
    ) -> None:
        for parameter, state in zip(parameters, states, strict=True):
            if not state:
                state["step"] = torch.zeros((), device=parameter.device if self.fused else "cpu")
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)
        adamw(
            parameters,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=self.fused,
            lr=self.param_groups[0]["lr"],
            weight_decay=self.weight_decay,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
