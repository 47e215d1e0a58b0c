"""loops -> llvm: registers, addresses and instructions are chosen here.

state.py         what handlers share: where each value went
builder.py       creates llvm ops cheaply, remembers pure ones
index.py         symbolic index arithmetic
tiles.py         n-D vectors as lists of machine vectors
memory.py        views, loads and stores
transfers.py     strided, transposed and broadcast access
vectors.py       broadcasts, masks, reductions
elementwise.py   a function applied to every piece
floats.py        float arithmetic
integers.py      integer and index arithmetic
arithmetic.py    constants, selection, conversions
conversions.py   narrow floats
rounding.py      floor and kin without an instruction for it
control_flow.py  loops, conditions, calls
functions.py     the ABI of kernels
lower.py         the pass
"""

from .functions import lower_function
from .lower import TARGET_ATTRIBUTE, LowerLoopsToLLVMPass, lower_module
from .state import LoopsToLLVMError

__all__ = ["TARGET_ATTRIBUTE", "LoopsToLLVMError", "LowerLoopsToLLVMPass", "lower_function", "lower_module"]
