"""What a model may ask of the compiler. Beyond these it is refused with an error that names the limit.

They bound the time and memory that a damaged or malicious file can cost, and lie far above what models need.
"""

from __future__ import annotations

MAX_FILE_BYTES = (1 << 31) - 1
"""Of an ``.onnx`` file: protobuf's own limit. Larger weights lie in files beside it."""

MAX_NESTING = 24
"""Of graphs in attributes (If, Loop, Scan), and of functions that call functions."""

MAX_NODES = 250_000
"""Of all graphs together, with functions written out at each call."""

MAX_NODES_PER_NODE = 40
MAX_EXTRA_NODES = 5_000
"""Import may look at so many nodes, for each one in the file and on top: loops and functions are written out."""

MAX_RANK = 32
"""Dimensions of a tensor."""

MAX_TENSOR_BYTES = 1 << 40
"""Of any one tensor whose size is known when the model is compiled."""

MAX_GROWTH_BYTES = 256 << 20
"""By which constants computed during import may be larger than what they are computed from, all together."""

MAX_PROBLEMS = 1000
"""After so many faults the search for more ends."""
