// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// The step that is read is found before the row is copied.
// CHECK-LABEL: func.func @reverse_sequence_
// CHECK: scf.forall
// CHECK: %[[LENGTH:.*]] = arith.minsi
// CHECK: %[[TURNED:.*]] = arith.subi
// CHECK: %[[IS_TURNED:.*]] = arith.cmpi slt, {{.*}}, %[[LENGTH]]
// CHECK: arith.select %[[IS_TURNED]]
// CHECK: vector.load
// CHECK: vector.store
func.func @reverse(%x: !layout.tensor<T x N x 64 x f32>, %n: !layout.tensor<N x i64>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<T x N x 64 x f32>
  schedule.stage @reverse %o0 = kernel.reverse_sequence(%x, %n) time_axis 0 batch_axis 1 plan {lanes 16}
  func.return
}
