"""From whole tensors to kernels: ``lower-graph-to-kernel``, one rule for each graph operation, by family.

``table.RULES`` is also the list of what can be compiled at all: what it lacks, or has an obstacle to, runs
on the host, and is split off before by the pass that asks ``is_compiled``.
"""

from .lower import LowerGraphToKernelPass
from .rules import Obstacle
from .table import COMPILED_OPERATIONS, computes_in_f32, is_compiled, obstacle_of

__all__ = [
    "COMPILED_OPERATIONS",
    "LowerGraphToKernelPass",
    "Obstacle",
    "computes_in_f32",
    "is_compiled",
    "obstacle_of",
]
