"""The schedule dialect as a whole.

Its operations stand in schedule.py, the loop over a batch in batches.py, the call of a kernel in kernel_call.py.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from .batches import BatchesOp
from .kernel_call import CallOp
from .schedule import BarrierOp, BufferOp, StageOp, YieldOp

ScheduleDialect = Dialect("schedule", [BufferOp, StageOp, YieldOp, BatchesOp, BarrierOp, CallOp], [])
