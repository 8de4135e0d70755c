"""What the configuration object of pytorch_GAN_zoo's trainer says of a generator, of either of its families."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orojar_cli.containers.file import printable
from orojar_cli.errors import UnsupportedCheckpointError
from orojar_cli.generators.options import checked

# The loss a network was trained with decides what makes its last numbers an image.
_OUTPUTS = {"WGANGP": "linear", "Logistic": "linear", "DCGAN": "tanh", "MSE": "tanh"}


class ZooSettings:
    """Options by name: as the object says them, else as that trainer has them, noted in `assumed`."""

    def __init__(self, attributes: Mapping[str, Any], where: str) -> None:
        self.attributes = attributes
        self.where = where
        self.assumed: list[str] = []

    def said(self, name: str, ours: str, usual: Any) -> Any:
        """The attribute `name`, which must be of the type of `usual` where it is there; `ours` is the option it becomes."""
        if name not in self.attributes:
            self.assumed.append(ours)
            return usual
        value = self.attributes[name]
        value = float(value) if type(value) is int and type(usual) is float else value
        if type(value) is not type(usual):
            raise UnsupportedCheckpointError(f"not supported: {self.where} was made with {name} = {printable(value)}")
        return value

    def output(self, usual_loss: str) -> str:
        """The last activation."""
        loss = self.said("lossCriterion", "output", usual_loss)
        if loss not in _OUTPUTS:
            raise UnsupportedCheckpointError(
                f"not supported: {self.where} was trained with the loss {printable(loss)} (known: {', '.join(_OUTPUTS)})"
            )
        return _OUTPUTS[loss]

    def c_dim(self) -> int:
        """Width of the vector of categories behind the noise, 0 where there are none."""
        if self.attributes.get("attribKeysOrder") is None:
            return 0
        width = self.attributes.get("categoryVectorDim")
        checked("categoryVectorDim", width, 0, 8192)
        return width  # type: ignore[return-value]
