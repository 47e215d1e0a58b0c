// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// Exclusive: what is stored is the sum before the element. The sum is an f64.
// CHECK-LABEL: func.func @cumulative_sum_
// CHECK: scf.for {{.*}} iter_args(%[[BEFORE:.*]] = {{.*}}) -> (vector<16xf64>)
// CHECK: arith.addf %[[BEFORE]]
// CHECK: %[[STORED:.*]] = arith.truncf %[[BEFORE]] : vector<16xf64> to vector<16xf32>
// CHECK: vector.store %[[STORED]]
func.func @running_sum(%x: !layout.tensor<10 x 16 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<10 x 16 x f32>
  schedule.stage @running_sum %o0 = kernel.cumulative_sum(%x) axis 0 exclusive plan {lanes 16}
  func.return
}
