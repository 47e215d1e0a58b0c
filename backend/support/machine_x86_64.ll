; What the thread driver asks of an x86-64 Linux machine. Appended to threads.ll.

declare void @llvm.x86.sse2.pause()
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

define internal void @machine_pause() alwaysinline nounwind {
  call void @llvm.x86.sse2.pause()
  ret void
}

; Sets the MXCSR that @machine_run_mode says; returns the caller's.
define internal i64 @machine_set_mode() nounwind {
  %slot = alloca i32, align 4
  call void @llvm.x86.sse.stmxcsr(ptr %slot)
  %mode = load volatile i32, ptr %slot, align 4
  %run_mode = call i32 @machine_run_mode()
  store volatile i32 %run_mode, ptr %slot, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %slot)
  %wide = zext i32 %mode to i64
  ret i64 %wide
}

define internal void @machine_restore_mode(i64 %mode) nounwind {
  %slot = alloca i32, align 4
  %narrow = trunc i64 %mode to i32
  store volatile i32 %narrow, ptr %slot, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %slot)
  ret void
}

; System call `number` with four arguments: a C function written in machine code, since inline assembly cannot be
; compiled for a foreign target. Weak and hidden, so that nothing is concluded from the body, which is never reached.
;   mov rax, rdi; mov rdi, rsi; mov rsi, rdx; mov rdx, rcx; mov r10, r8; syscall; ret
define weak hidden i64 @machine_system_call(i64 %number, ptr %a, i64 %b, i64 %c, i64 %d) noinline nounwind prologue [18 x i8] c"\48\89\F8\48\89\F7\48\89\D6\48\89\CA\4D\89\C2\0F\05\C3" {
  ret i64 0
}

; futex(word, FUTEX_WAIT_PRIVATE, expected, no timeout). May return early: callers check the word again.
define internal void @machine_futex_wait(ptr %word, i32 %expected) nounwind {
  %wide = zext i32 %expected to i64
  %ignored = call i64 @machine_system_call(i64 202, ptr %word, i64 128, i64 %wide, i64 0)
  ret void
}

; futex(word, FUTEX_WAKE_PRIVATE, everybody).
define internal void @machine_futex_wake(ptr %word) nounwind {
  %ignored = call i64 @machine_system_call(i64 202, ptr %word, i64 129, i64 2147483647, i64 0)
  ret void
}
