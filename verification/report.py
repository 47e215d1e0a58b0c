"""What verification found, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .comparison import Deviation

Status = Literal["ok", "wrong", "skipped"]


@dataclass
class PhaseCheck:
    """One comparison, of one phase (``pass_name`` one pass of it, where the search went that far).

    ``subject`` is what was compared with what. Where it is wrong, ``operation`` and ``value`` name the first op
    whose result differs, ``stage`` and ``function`` the stage and its code, ``output`` the model's output.
    ``note`` says why a check was skipped, or what else there is to know.
    """

    phase: str
    subject: str
    status: Status
    deviation: Deviation | None = None
    output: str = ""
    operation: str = ""
    value: str = ""
    stage: str = ""
    function: str = ""
    pass_name: str = ""
    note: str = ""
    seconds: float = 0.0

    @property
    def place(self) -> str:
        """Phase, pass, stage and op in words."""
        parts = [f"phase {self.phase}"]
        if self.pass_name:
            parts.append(f"pass {self.pass_name}")
        if self.stage:
            parts.append(f"stage @{self.stage}" + (f" (@{self.function})" if self.function else ""))
        if self.operation:
            parts.append(f"{self.operation} %{self.value}" if self.value else self.operation)
        return ", ".join(parts)


@dataclass
class VerificationReport:
    """All checks in the order of the phases. ``reference`` is the engine that the import was compared with."""

    model: str
    reference: str
    checks: list[PhaseCheck] = field(default_factory=list)
    seconds: float = 0.0
    reproducer: str = ""

    @property
    def ok(self) -> bool:
        return self.first_wrong is None

    @property
    def first_wrong(self) -> PhaseCheck | None:
        """What a search found is more exact than the check that began it, so that the last of a phase counts."""
        wrong = [check for check in self.checks if check.status == "wrong"]
        if not wrong:
            return None
        same_phase = [check for check in wrong if check.phase == wrong[0].phase]
        return next((check for check in same_phase if check.pass_name), same_phase[0])

    def to_dict(self) -> dict[str, Any]:
        first = self.first_wrong
        return {**asdict(self), "ok": self.ok, "first_wrong": None if first is None else asdict(first)}
