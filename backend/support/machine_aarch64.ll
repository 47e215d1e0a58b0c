; What the thread driver asks of an AArch64 Linux machine. Appended to threads.ll.

declare i64 @llvm.aarch64.get.fpcr()
declare void @llvm.aarch64.set.fpcr(i64)
declare i64 @llvm.aarch64.get.fpsr()
declare void @llvm.aarch64.set.fpsr(i64)
declare void @llvm.aarch64.isb(i32)

; ISB waits some tens of cycles where YIELD is often a no-op.
define internal void @machine_pause() alwaysinline nounwind {
  call void @llvm.aarch64.isb(i32 15)
  ret void
}

; Sets the FPCR that @machine_run_mode says. Returns the caller's FPCR, and above it the caller's FPSR, which holds the
; exception flags.
define internal i64 @machine_set_mode() nounwind {
  %control = call i64 @llvm.aarch64.get.fpcr()
  %status = call i64 @llvm.aarch64.get.fpsr()
  %run_mode = call i64 @machine_run_mode()
  call void @llvm.aarch64.set.fpcr(i64 %run_mode)
  %high = shl i64 %status, 32
  %low = and i64 %control, 4294967295
  %mode = or i64 %high, %low
  ret i64 %mode
}

define internal void @machine_restore_mode(i64 %mode) nounwind {
  %control = and i64 %mode, 4294967295
  %status = lshr i64 %mode, 32
  call void @llvm.aarch64.set.fpcr(i64 %control)
  call void @llvm.aarch64.set.fpsr(i64 %status)
  ret void
}

; System call `number` with four arguments: a C function written in machine code, since inline assembly cannot be
; compiled for a foreign target. Weak and hidden, so that nothing is concluded from the body, which is never reached.
;   mov x8, x0; mov x0, x1; mov x1, x2; mov x2, x3; mov x3, x4; svc #0; ret
define weak hidden i64 @machine_system_call(i64 %number, ptr %a, i64 %b, i64 %c, i64 %d) noinline nounwind prologue [7 x i32] [i32 -1442839576, i32 -1442774048, i32 -1442708511, i32 -1442642974, i32 -1442577437, i32 -738197503, i32 -698416192] {
  ret i64 0
}

; futex(word, FUTEX_WAIT_PRIVATE, expected, no timeout). May return early: callers check the word again.
define internal void @machine_futex_wait(ptr %word, i32 %expected) nounwind {
  %wide = zext i32 %expected to i64
  %ignored = call i64 @machine_system_call(i64 98, ptr %word, i64 128, i64 %wide, i64 0)
  ret void
}

; futex(word, FUTEX_WAKE_PRIVATE, everybody).
define internal void @machine_futex_wake(ptr %word) nounwind {
  %ignored = call i64 @machine_system_call(i64 98, ptr %word, i64 129, i64 2147483647, i64 0)
  ret void
}
