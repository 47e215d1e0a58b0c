; FPCR of a run: round to nearest, flush to zero (bit 24); half precision keeps its denormals.
define internal i64 @machine_run_mode() alwaysinline nounwind {
  ret i64 16777216
}
