"""Jittor operators that consist of one call of a function in the compiled library."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import jittor as jt

from pipeline.kernels import library

Shape = tuple[int, ...]


def array_of(kind: str, entries: Iterable[str]) -> str:
    """C++ expression of the first place of an array of these expressions; valid within an argument."""
    return f"std::initializer_list<{kind}>{{{', '.join(entries)}}}.begin()"


@cache
def places(kind: str, inputs: str, first: int, count: int) -> str:
    """C++ of the array of the places of `count` inputs ("in") or outputs ("out"), from the one `first` on."""
    return array_of(f"{kind}*", (f"{inputs}{index}_p" for index in range(first, first + count)))


class Operator(jt.Function):
    """A forward pass with its own gradient; `grad` is not called if no gradient arrives.

    Jittor also visits operators that are on no path to the differentiated variables, and passes them None. If
    the operator returns None in turn, Jittor silently drops the gradients that other uses of the same input
    have contributed so far; so an input without a gradient gets zeros.

    `saved` is what `grad` reads of the forward pass. `gradients_of` lets go of it.
    """

    saved: Any = None

    def __call__(self, *inputs):
        self._shapes = [
            tuple(value.shape) if isinstance(value, jt.Var) and value.dtype == "float32" else None
            for value in inputs
        ]
        return super().__call__(*inputs)

    def _grad(self, *output_grads):
        shapes = [shape for shape, index in zip(self._shapes, self.input_mask, strict=True) if index >= 0]
        if all(self._missing(output_grads, index) for index in self.output_mask):
            found = [None] * len(shapes)
        else:
            found = super()._grad(*output_grads)
            if _Queued.operators is not None:
                _Queued.operators.append(self)
        return [
            jt.zeros(shape) if gradient is None and shape is not None else gradient
            for gradient, shape in zip(found, shapes, strict=True)
        ]

    @staticmethod
    def _missing(output_grads, index: int) -> bool:
        return index < 0 or output_grads[index] is None


class _Queued:
    operators: list[Operator] | None = None  # whose gradients `gradients_of` has queued so far


def gradients_of(loss: jt.Var, variables: list[jt.Var]) -> list[jt.Var]:
    """The gradients of a loss, which can be asked for once: nothing is kept for asking again.

    Jittor frees a variable's memory once no queued operator reads it and no Python variable holds it. But it
    keeps the Python half of an operator until all that is queued has been computed, and with it all that is
    saved there: every block's activations beside all gradients. So operators let go of it here. They do so
    after Jittor has walked through the graph by plain pointers, and not in `grad`, where nodes that are freed
    meanwhile could still be on its way.

    Args:
        loss: (1,).
        variables: float32.

    Returns:
        One for each variable, of its shape.
    """
    _Queued.operators = []
    try:
        found = jt.grad(loss, variables, retain_graph=False)
        for operator in _Queued.operators:
            operator.saved = None
    finally:
        _Queued.operators = None
    return found


def call(
    function: str,
    arguments: str,
    inputs: Sequence[jt.Var],
    *shapes: Shape,
    data: dict[str, float] | None = None,
    dtypes: Sequence[str] | None = None,
) -> jt.Var | list[jt.Var]:
    """Call `function` of the library when the outputs are needed.

    Args:
        function: name in the library's header, without the prefix.
        arguments: C++ expression of its arguments: `in0_p`, `in0_shape1`, `out0_p`, `data["name"]`, ...
        inputs: the variables in0, in1, ...
        shapes: shapes of out0, out1, ...
        data: numbers that may change between calls without compiling again.
        dtypes: of the outputs; None: float32.

    Returns:
        One Var for one shape, else a list.
    """
    where = "cuda" if jt.flags.use_cuda else "cpu"
    code = {**_source(library.load().prefix, function, arguments, where), "data": data or {}}
    dtypes = list(dtypes or ["float32"] * len(shapes))
    if len(shapes) == 1:
        return jt.code(shapes[0], dtypes[0], inputs, **code)
    return jt.code(list(shapes), dtypes, inputs, **code)


@cache  # a step makes the same calls as the one before
def _source(prefix: str, function: str, arguments: str, where: str) -> dict[str, str]:
    """Declaration and call of a function of the loaded library, whose prefix this is, for `jt.code`."""
    return {
        f"{where}_header": library.declaration(function),
        f"{where}_src": f"{prefix}{function}({arguments});",
    }
