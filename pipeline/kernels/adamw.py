"""AdamW over many tensors in one native call per step."""

import ctypes

import jittor as jt
import numpy as np

from pipeline.kernels import library, selection
from pipeline.kernels.addresses import addresses, pointer
from pipeline.kernels.plain_adamw import Hyper, replace_value, updated


class AdamW:
    """Adam with decoupled weight decay and clipping of each tensor's gradient norm.

    Parameters are updated in place; the moments are stored here. A step leaves a frozen tensor, its moments
    and its step count unchanged.

    Source: Loshchilov & Hutter 2019; the limit per tensor as in DINO (Caron et al. 2021).
    """

    def __init__(
        self,
        parameters: list[jt.Var],
        *,
        decayed: list[bool],
        lr_scales: list[float] | None = None,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        max_gradient_norm: float,
    ):
        """
        Args:
            parameters: float32; no two may share memory.
            decayed: for each parameter, whether weight decay applies.
            lr_scales: for each parameter, a factor of its learning rate; None: 1.
            betas: decay of the first and second moment.
            eps: added to the root of the second moment.
            max_gradient_norm: a tensor's gradient g becomes g min(1, this / (|g| + 1e-6)); 0: no clipping.

        Raises:
            ValueError: the lists differ in length, or a parameter is not float32.
        """
        lr_scales = [1.0] * len(parameters) if lr_scales is None else lr_scales
        if not len(parameters) == len(decayed) == len(lr_scales):
            found = f"{len(decayed)} flags of decay, {len(lr_scales)} scales of the rate"
            raise ValueError(f"AdamW: {len(parameters)} parameters, {found}")
        for index, parameter in enumerate(parameters):
            if parameter.dtype != "float32":
                raise ValueError(f"AdamW: parameter {index} is {parameter.dtype}; expected float32")
        self._parameters = list(parameters)
        self._decayed = np.array(decayed, dtype=np.uint8)
        self._lr_scales = np.array(lr_scales, dtype=np.float64)
        self._betas, self._eps, self._max_norm = betas, eps, max_gradient_norm
        self._sizes = np.array([p.numel() for p in parameters], dtype=np.int64)
        self._offsets = np.concatenate([[0], np.cumsum(self._sizes)]).astype(np.int64)
        self._first = np.zeros(self._offsets[-1], dtype=np.float32)
        self._second = np.zeros(self._offsets[-1], dtype=np.float32)
        # The moments while device kernels run: flat too, but on the device. The arrays above are then out of
        # date.
        self._device_moments: tuple[jt.Var, jt.Var] | None = None
        self._steps = np.zeros(len(parameters), dtype=np.int64)
        # The moments while plain operators run; the flat arrays are out of date then.
        self._plain_moments: list[tuple[jt.Var, jt.Var]] | None = None

    def step(
        self, gradients: list[jt.Var], *, lr: float, weight_decay: float, frozen: frozenset[int] = frozenset()
    ) -> None:
        """Update the parameters.

        Args:
            gradients: one for each parameter.
            lr: learning rate of this step.
            weight_decay: of this step, for the tensors that are decayed.
            frozen: indices of parameters that this step leaves unchanged.

        Raises:
            ValueError: a gradient's shape or type differs from its parameter's, or an index does not exist.
        """
        self._check(gradients, frozen)
        active = np.ones(len(self._parameters), dtype=np.uint8)
        active[list(frozen)] = 0
        self._steps += active
        if selection.fused():
            self._fused_step(gradients, active, lr, weight_decay)
        else:
            self._plain_step(gradients, active, lr, weight_decay)

    def state(self) -> dict[str, np.ndarray]:
        """Copies of the moments, in the order of the parameters, and the counts of steps."""
        self._settle()
        return {
            "first_moment": self._first.copy(),
            "second_moment": self._second.copy(),
            "sizes": self._sizes.copy(),
            "steps": self._steps.copy(),
        }

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Restore what `state` returned; a run continues bit for bit.

        Raises:
            ValueError: an entry is missing or unknown, or was saved for other parameters.
        """
        own = self.state()
        if set(state) != set(own):
            raise ValueError(f"optimiser state: entries {sorted(state)}; expected {sorted(own)}")
        for name, value in own.items():
            given = state[name]
            if given.shape != value.shape or given.dtype != value.dtype:
                found = f"{given.dtype} {given.shape}; expected {value.dtype} {value.shape}"
                raise ValueError(f"optimiser state: {name} is {found}")
        if not np.array_equal(state["sizes"], self._sizes):
            raise ValueError("optimiser state: saved for tensors of other sizes")
        self._plain_moments = self._device_moments = None
        self._first[:], self._second[:], self._steps[:] = (
            state["first_moment"],
            state["second_moment"],
            state["steps"],
        )

    def _check(self, gradients: list[jt.Var], frozen: frozenset[int]) -> None:
        if len(gradients) != len(self._parameters):
            raise ValueError(f"AdamW: {len(gradients)} gradients for {len(self._parameters)} parameters")
        for index, (parameter, gradient) in enumerate(zip(self._parameters, gradients, strict=True)):
            if gradient.dtype != "float32" or gradient.shape != parameter.shape:
                found = f"{gradient.dtype} {tuple(gradient.shape)}; expected float32 {tuple(parameter.shape)}"
                raise ValueError(f"AdamW: gradient {index} is {found}")
        if frozen and not 0 <= min(frozen) <= max(frozen) < len(self._parameters):
            raise ValueError(f"AdamW: frozen {sorted(frozen)}; there are {len(self._parameters)} parameters")

    def _fused_step(
        self, gradients: list[jt.Var], active: np.ndarray, lr: float, weight_decay: float
    ) -> None:
        # Everything pending that uses the old values must be computed before they change.
        jt.sync_all()
        if selection.on_device():
            if self._device_moments is None:
                self._settle()
                self._device_moments = jt.array(self._first).stop_grad(), jt.array(self._second).stop_grad()
            where, keep = addresses([*self._parameters, *gradients, *self._device_moments])
            moments = [ctypes.c_void_p(int(address)) for address in where[-2:]]
        else:
            self._settle()
            where, keep = addresses([*self._parameters, *gradients])
            moments = [pointer(self._first), pointer(self._second)]
        parameters, slopes = where[: len(gradients)], where[len(gradients) :]
        hyper = np.array([lr, weight_decay, *self._betas, self._eps, self._max_norm], dtype=np.float64)
        library.load().function("adamw")(
            ctypes.c_long(len(gradients)),
            *map(pointer, (self._sizes, self._offsets, active, self._decayed)),
            *map(pointer, (self._lr_scales, self._steps, hyper)),
            *map(pointer, (parameters, slopes)),
            *moments,
        )
        del keep

    def _plain_step(
        self, gradients: list[jt.Var], active: np.ndarray, lr: float, weight_decay: float
    ) -> None:
        if self._plain_moments is None:
            self._settle()
            self._plain_moments = [
                (jt.array(first).stop_grad(), jt.array(second).stop_grad())
                for first, second in zip(*map(self._split, (self._first, self._second)), strict=True)
            ]
        for index in np.flatnonzero(active):
            decay = weight_decay * float(self._decayed[index])
            rate = lr * float(self._lr_scales[index])
            hyper = Hyper(rate, decay, *self._betas, self._eps, self._max_norm)
            parameter, moments, steps = (
                self._parameters[index],
                self._plain_moments[index],
                int(self._steps[index]),
            )
            value, self._plain_moments[index] = updated(parameter, gradients[index], moments, steps, hyper)
            replace_value(parameter, value)
        # Run what is queued, without waiting for the device, so that gradients and activations can be freed.
        jt.sync([*self._parameters, *(moment for pair in self._plain_moments for moment in pair)])

    def _split(self, flat: np.ndarray) -> list[np.ndarray]:
        parts = np.split(flat, self._offsets[1:-1])
        return [part.reshape(p.shape) for part, p in zip(parts, self._parameters, strict=True)]

    def _settle(self) -> None:
        """Copy moments that are Jittor variables back to the flat arrays."""
        if self._device_moments is not None:
            self._first[:], self._second[:] = (moments.numpy() for moments in self._device_moments)
            self._device_moments = None
        if self._plain_moments is None:
            return
        for flat, which in ((self._first, 0), (self._second, 1)):
            flat[:] = np.concatenate([pair[which].numpy().ravel() for pair in self._plain_moments])
        self._plain_moments = None
