; MXCSR of a run: all exceptions masked, round to nearest, denormals as IEEE 754 has them.
define internal i32 @machine_run_mode() alwaysinline nounwind {
  ret i32 8064
}

; That the image has this symbol tells the runtime that its runs keep denormals.
define i64 @lamina_keeps_denormals() nounwind {
  ret i64 1
}
