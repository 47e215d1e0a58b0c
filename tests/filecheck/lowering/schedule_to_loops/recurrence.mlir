// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// The four gates of 32 hidden units stay in registers while the previous h is multiplied in.
// CHECK-LABEL: func.func @lstm_
// The first step reads the initial h.
// CHECK: scf.for {{.*}} -> (vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>)
// CHECK: memref.reinterpret_cast %2
// CHECK-COUNT-4: vector.fma
// CHECK: math.tanh
// The others read the result of the step before.
// CHECK: scf.for {{.*}} to %T
// CHECK: scf.for {{.*}} -> (vector<32xf32>, vector<32xf32>, vector<32xf32>, vector<32xf32>)
// CHECK: memref.reinterpret_cast %4
// CHECK-COUNT-4: vector.fma
// CHECK: math.exp
// CHECK: math.tanh
func.func @lstm(%x: !layout.tensor<T x 1 x 128 x f32>, %y: !layout.tensor<32 x 128 x f32>, %z: !layout.tensor<1 x 32 x f32>, %w: !layout.tensor<1 x 32 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<T x 1 x 32 x f32>
  %o1 = schedule.buffer output 1 : !layout.tensor<1 x 32 x f32>
  %o2 = schedule.buffer output 2 : !layout.tensor<1 x 32 x f32>
  schedule.stage @lstm %o0, %o1, %o2 = kernel.lstm(%x, %y, %z, %w) plan {h vectors 2, lanes 16}
  func.return
}

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
