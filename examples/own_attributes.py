"""A classifier of one's own that names dimensions, in a file of one's own: the way in which CLIP, a face classifier or a ruler comes in.

orojar label RUN --auto --attributes own_attributes:Prompts     (in this folder)
python examples/own_attributes.py                               (the bundled network, from Python)

What `--attributes` and the library need is something that takes images [N, C, H, W] in [-1, 1] and gives a tensor [N, K] and its K
`names`, or a dictionary of names with numbers [N].  This one works like CLIP: an encoder for images and one for texts into the same
space, and for every attribute two texts, of which the share of the first is told (a softmax over their cosines, so flat that it hardly
saturates).  Both encoders are toys here, so that nothing is downloaded: texts are encoded as the picture that somebody drew for them.
With CLIP the two methods `of_images` and `of_text` call the model's, and everything else stays.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

import orojar_cli as orojar

PROMPTS = {
    "warm ground": ("an orange ground", "a blue ground"),
    "shape on the right": ("a shape on the right", "a shape on the left"),
    "shape at the top": ("a shape at the top", "a shape at the bottom"),
}
SIDE, TEMPERATURE = 16, 2.0


def drawing(text: str) -> Tensor:
    """What somebody would draw for a text: [3, SIDE, SIDE] in [-1, 1]."""
    grounds = {"orange": (0.8, 0.1, -0.6), "blue": (-0.6, -0.1, 0.8)}
    colour = next((ground for word, ground in grounds.items() if word in text), (0.0, 0.0, 0.0))
    picture = torch.tensor(colour, device="cpu").view(3, 1, 1).repeat(1, SIDE, SIDE)
    places = {"right": (8, 11), "left": (8, 4), "top": (4, 8), "bottom": (11, 8)}
    for word, (row, column) in places.items():
        if word in text:
            picture[:, row - 3 : row + 4, column - 3 : column + 4] = 1.0
    return picture


class Prompts:
    """images [N, 3, H, W] -> [N, 3] from 0 to 1: how much more each is like the first text of a pair than like the second."""

    names = tuple(PROMPTS)

    def __init__(self) -> None:
        self.pairs = torch.stack([torch.stack([self.of_text(text) for text in pair]) for pair in PROMPTS.values()])

    def __call__(self, images: Tensor) -> Tensor:
        cosines = torch.einsum("nf,kpf->nkp", self.of_images(images), self.pairs.to(images.device))
        return (TEMPERATURE * cosines).softmax(2)[:, :, 0]

    def of_images(self, images: Tensor) -> Tensor:
        """[N, F] of unit length: the coarse colours, and what differs from the middle colour of the border, in two halves of one vector."""
        coarse = F.interpolate(images, size=(SIDE, SIDE), mode="area")
        edges = (coarse[:, :, 0], coarse[:, :, -1], coarse[..., 0], coarse[..., -1])
        border = torch.cat(edges, 2).median(2).values
        shape = (coarse - border[:, :, None, None]).square().sum(1)
        parts = (border, F.normalize((shape - shape.mean((1, 2), keepdim=True)).flatten(1), dim=1))
        return F.normalize(torch.cat(parts, 1), dim=1)

    def of_text(self, text: str) -> Tensor:
        """[F] of unit length."""
        return self.of_images(drawing(text).unsqueeze(0))[0]


def main() -> None:
    named = orojar.propose_labels("demo", num=5, attributes=Prompts(), samples=64)
    for dimension, proposal in enumerate(named.directions.proposals[:5]):
        told = "nothing clear" if proposal is None else proposal.sentence
        print(f"dim {dimension}, which people call {named.directions.labels[dimension]!r}: {told}")


if __name__ == "__main__":
    main()
