"""Pictures in files."""

from __future__ import annotations

from ...dialects import graph
from ...dialects.graph.host import PIXEL_FORMATS
from ...dialects.graph.types import ui8
from ..node import Node
from ..registry import converter
from ..values import Value


@converter("ImageDecoder")
def convert_image_decoder(node: Node) -> Value:
    pixels = node.attribute("pixel_format", "RGB").lower()
    if pixels not in PIXEL_FORMATS:
        node.invalid(f"the attribute 'pixel_format' is '{pixels}', but must be RGB, BGR or Grayscale")
    result = node.fresh_type(ui8, [None, None, 1 if pixels == "grayscale" else 3])
    return node.b.emit(graph.DecodeImageOp, [node.input(0)], [result], pixels=pixels)[0]
