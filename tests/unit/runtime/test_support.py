"""The thread driver is compiled for every target on any machine; the other tests run it on this one."""

from __future__ import annotations

import pytest
from lamina.backend.compile_image import compile_image
from lamina.backend.support import ARCHITECTURES, support_text
from lamina.machines import TARGETS, target_by_name

EXPORTED = {
    "lamina_repeat",
    "lamina_run",
    "lamina_run_call",
    "lamina_spin",
    "lamina_support_version",
    "lamina_worker",
}
SYSTEM_CALL = {
    "x86_64": bytes.fromhex("4889f84889f74889d64889ca4d89c20f05c3"),
    "aarch64": bytes.fromhex("010000d4c0035fd6"),
}


@pytest.mark.parametrize("name", list(TARGETS))
def test_every_target_has_the_driver(name: str) -> None:
    target = target_by_name(name)
    image = compile_image("define void @nothing(ptr %a, i64 %t, i64 %n) { ret void }", target)
    assert {*EXPORTED, "nothing"} <= set(image.symbols)
    assert image.data.count(SYSTEM_CALL[target.architecture]) == 1


def test_unknown_architectures() -> None:
    with pytest.raises(ValueError, match="no thread driver for architecture 'riscv64'"):
        support_text("riscv64")
    assert all("lamina_run" in support_text(architecture) for architecture in ARCHITECTURES)
