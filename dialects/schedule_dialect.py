"""The schedule dialect as a whole: its operations stand in schedule.py, the call of a kernel in kernel_call.py."""

from __future__ import annotations

from xdsl.ir import Dialect

from .kernel_call import CallOp
from .schedule import BarrierOp, BufferOp, StageOp, YieldOp

ScheduleDialect = Dialect("schedule", [BufferOp, StageOp, YieldOp, BarrierOp, CallOp], [])
