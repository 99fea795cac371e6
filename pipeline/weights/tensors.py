"""The tensors of one network in a file, each of which must be accounted for."""

import re
from collections.abc import Callable, Mapping

import numpy as np

from pipeline.weights.error import WeightsError
from pipeline.weights.stored_tensor import StoredTensor

_SHOWN = 5  # names in one message


class Tensors:
    """Tensors by name. Each must be taken, or be ignored or refused by a rule; any that is left is an error.

    Args:
        origin: the file, for messages.
        tensors: the tensors by name, without prefixes.
    """

    def __init__(self, origin: str, tensors: Mapping[str, StoredTensor]):
        self.origin = origin
        self.notes: list[str] = []  # for the user: what was left out, resized and assumed
        self._left = dict(tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def names(self) -> list[str]:
        """Names of the tensors that are not accounted for yet."""
        return list(self._left)

    def rename(self, renamed: Callable[[str], str]) -> None:
        """Rename every tensor by `renamed`, old name -> new name.

        Raises:
            WeightsError: two tensors would have the same name.
        """
        names = {renamed(name): tensor for name, tensor in self._left.items()}
        if len(names) < len(self._left):
            raise self.error("two blocks of one name")
        self._left = names

    def drop_numbers(self) -> None:
        """Keep shapes only: every number becomes 0, without memory or reading."""
        self._left = {name: tensor.without_numbers() for name, tensor in self._left.items()}

    def error(self, message: str) -> WeightsError:
        """An error that names the file."""
        return WeightsError(f"{self.origin}: {message}")

    def shape(self, name: str, num_dims: int | None = None) -> tuple[int, ...]:
        """Shape of a tensor, which must exist.

        Args:
            num_dims: expected number of dimensions, none of length 0; None: any.

        Raises:
            WeightsError: the tensor is missing, or has another number of dimensions.
        """
        if name not in self._left:
            raise self.error(f"no tensor {name!r}")
        found = self._left[name].shape
        if num_dims is not None and (len(found) != num_dims or 0 in found):
            raise self.error(f"{name!r} has shape {found}, expected {num_dims} dimensions")
        return found

    def take(self, name: str, *shapes: tuple[int, ...]) -> np.ndarray:
        """Take a tensor's numbers, float32.

        Args:
            shapes: the allowed shapes; none given: any.

        Raises:
            WeightsError: the tensor is missing, has another shape, or is not floating point or not finite.
        """
        found = self.shape(name)
        if shapes and found not in shapes:
            raise self.error(f"{name!r} has shape {found}, expected {' or '.join(map(str, shapes))}")
        stored = self._left.pop(name)
        if "float" not in stored.number_format:
            raise self.error(f"{name!r} holds {stored.number_format}, expected floating point numbers")
        array = stored.array().astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise self.error(f"{name!r} holds numbers that are not finite")
        return array

    def refuse(self, rules: Mapping[str, str]) -> None:
        """Refuse tensors by rules: regular expression of the full name -> what this project lacks.

        Raises:
            WeightsError: there is such a tensor.
        """
        for pattern, feature in rules.items():
            found = [name for name in self._left if re.fullmatch(pattern, name)]
            if found:
                raise self.error(f"{feature} ({found[0]!r}), for which the bases here have no counterpart")

    def ignore(self, rules: Mapping[str, str]) -> None:
        """Ignore tensors by rules: regular expression of the full name -> what they belong to."""
        for pattern, owner in rules.items():
            found = [name for name in self._left if re.fullmatch(pattern, name)]
            if found:
                self.notes.append(f"left out: {owner} ({len(found)} tensors)")
            for name in found:
                del self._left[name]

    def finish(self, advice: str = "") -> None:
        """Check that every tensor was taken or ignored.

        Args:
            advice: end of the message, on what to do with the rest.

        Raises:
            WeightsError: tensors are left.
        """
        if self._left:
            names = list(self._left)
            more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
            advice = f"; {advice}" if advice else ""
            raise self.error(f"tensors that belong to nothing known: {names[:_SHOWN]}{more}{advice}")
