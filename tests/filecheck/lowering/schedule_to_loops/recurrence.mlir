// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// The four gates of 16 hidden units stay in registers while the previous h is multiplied in; two sums of each, since
// there is one sequence. Where h lies before and after a step is exchanged,
// and panels are walked there and back.
// CHECK-LABEL: func.func @recurrence_
// CHECK: scf.for {{.*}} to %T {{.*}} iter_args(%[[NOW:.*]] = {{.*}}, %[[THEN:.*]] = {{.*}}, %[[BACK:.*]] = {{.*}}) -> (index, index, index)
// CHECK: scf.for
// CHECK: scf.for {{.*}} -> (vector<1x16xf32>, vector<1x16xf32>, vector<1x16xf32>, vector<1x16xf32>, vector<1x16xf32>,
// CHECK-COUNT-8: vector.contract
// CHECK: math.exp
// CHECK: math.tanh
// CHECK: scf.yield %[[THEN]], %[[NOW]], 
func.func @lstm(%x: !layout.tensor<T x 1 x 128 x f32>, %r: !layout.tensor<1 x 32 x 4 x 32 x f32, aDbc16d>, %h: !layout.tensor<1 x 1 x 32 x f32>, %c: !layout.tensor<1 x 1 x 32 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<T x 1 x 1 x 32 x f32>
  %o1 = schedule.buffer output 1 : !layout.tensor<1 x 1 x 32 x f32>
  %o2 = schedule.buffer output 2 : !layout.tensor<1 x 1 x 32 x f32>
  schedule.stage @lstm %o0, %o1, %o2 = kernel.recurrence lstm(%x, %r, %h, %c) plan {b tile 1, b block 1, k sums 2}
  func.return
}

// The reset gate scales h before it is multiplied: a step takes two turns through the units. Sequences that are over
// keep their state.
// CHECK-LABEL: func.func @recurrence_
// CHECK: %[[LENGTH:.*]] = arith.index_cast {{.*}} : i32 to index
// CHECK: arith.maxsi {{.*}}%[[LENGTH]]
// CHECK: scf.for {{.*}} -> (index, index, index)
// CHECK: scf.for {{.*}} -> (vector<2x32xf32>, vector<2x32xf32>)
// CHECK-COUNT-2: vector.contract
// CHECK: scf.for {{.*}} -> (vector<2x32xf32>)
// CHECK: vector.contract
// CHECK: math.tanh
// CHECK: vectorx.cmpi sgt
// CHECK-COUNT-2: vectorx.select
func.func @gru(%x: !layout.tensor<T x 2 x 96 x f32>, %r: !layout.tensor<1 x 32 x 3 x 32 x f32, aDcb32d>, %h: !layout.tensor<1 x 2 x 32 x f32>, %n: !layout.tensor<2 x i32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<T x 1 x 2 x 32 x f32>
  %o1 = schedule.buffer output 1 : !layout.tensor<1 x 2 x 32 x f32>
  schedule.stage @gru %o0, %o1 = kernel.recurrence gru(%x, %r, %h, %n) lengths plan {b tile 2, b block 2}
  func.return
}

// Threads share the panels of a single step, which needs no scratch memory.
// CHECK-LABEL: func.func @recurrence_
// CHECK: scf.forall {{.*}} in (2)
// CHECK-NOT: scf.for {{.*}} -> (index, index
func.func @step(%x: !layout.tensor<1 x 1 x 32 x f32>, %r: !layout.tensor<1 x 32 x 1 x 32 x f32, aDbc16d>, %h: !layout.tensor<1 x 1 x 32 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<1 x 1 x 1 x 32 x f32>
  %o1 = schedule.buffer output 1 : !layout.tensor<1 x 1 x 32 x f32>
  schedule.stage @step %o0, %o1 = kernel.recurrence rnn(%x, %r, %h) plan {b tile 1, b block 1}
  func.return
}
