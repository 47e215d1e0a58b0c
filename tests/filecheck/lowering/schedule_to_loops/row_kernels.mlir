// RUN: lamina-opt %s -p lower-schedule-to-loops | filecheck %s

// A short row is loaded once.
// CHECK-LABEL: func.func @softmax_
// CHECK: %[[X:.*]] = vector.load {{.*}}, vector<32xf32>
// CHECK: vector.reduction <maximumf>, %[[X]]
// CHECK: %[[EXP:.*]] = math.exp {{.*}} : vector<32xf32>
// CHECK: vector.reduction <add>, %[[EXP]]
// CHECK: arith.mulf %[[EXP]]
// CHECK-NOT: vector.load
func.func @in_registers(%x: !layout.tensor<4 x 32 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<4 x 32 x f32>
  schedule.stage @in_registers %o0 = kernel.softmax(%x) plan {lanes 16}
  func.return
}

// A long one takes three passes, the second of which leaves its exponentials in the result.
// CHECK-LABEL: func.func @softmax_
// CHECK-SAME: %S: index
// CHECK: vector.reduction <maximumf>
// CHECK: math.exp {{.*}} : vector<32xf32>
// CHECK: memref.reinterpret_cast %1
// CHECK: vector.store
// CHECK: vector.maskedstore
// CHECK: vector.reduction <add>
// CHECK: memref.reinterpret_cast %1
// CHECK: vector.load
// CHECK: arith.mulf
func.func @long_rows(%x: !layout.tensor<N x S x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<N x S x f32>
  schedule.stage @long_rows %o0 = kernel.softmax(%x) plan {lanes 16}
  func.return
}

// CHECK-LABEL: func.func @layer_norm_
// CHECK: vector.reduction <add>, {{.*}} : vector<64xf32> into f32
// CHECK: arith.subf {{.*}} : vector<64xf32>
// CHECK: vector.reduction <add>, {{.*}} : vector<64xf32> into f32
// CHECK: math.sqrt {{.*}} : f32
// CHECK: vector.fma {{.*}} : vector<64xf32>
// CHECK: memref.reinterpret_cast %3
func.func @norm(%x: !layout.tensor<4 x 768 x f32>, %y: !layout.tensor<768 x f32>, %z: !layout.tensor<768 x f32>) {
  %o0 = schedule.buffer output 0 : !layout.tensor<4 x 768 x f32>
  schedule.stage @norm %o0 = kernel.layer_norm(%x, %y, %z) axis 1 epsilon 1.0e-05 plan {lanes 16}
  func.return
}
