// RUN: lamina-opt %s -p kernel-split-concats | filecheck %s

// 70 operands: 64 and 6 of them, and then both.

// CHECK-LABEL: func.func @many
// CHECK: %[[FIRST:.*]] = kernel.concat{{.*}} : !layout.tensor<128 x N x f32>
// CHECK-NEXT: %[[SECOND:.*]] = kernel.concat{{.*}} : !layout.tensor<12 x N x f32>
// CHECK-NEXT: %[[ALL:.*]] = kernel.concat(%[[FIRST]], %[[SECOND]]) {{.*}} : !layout.tensor<140 x N x f32>
// CHECK-NEXT: func.return %[[ALL]]
func.func @many(%x: !layout.tensor<2 x N x f32>) -> !layout.tensor<140 x N x f32> {
  %0 = kernel.concat(%x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x, %x) axis 0 : !layout.tensor<140 x N x f32>
  func.return %0 : !layout.tensor<140 x N x f32>
}

// Few operands stay as they are.

// CHECK-LABEL: func.func @few
// CHECK-NEXT: kernel.concat(%x, %x
// CHECK-NEXT: func.return
func.func @few(%x: !layout.tensor<2 x N x f32>) -> !layout.tensor<4 x N x f32> {
  %0 = kernel.concat(%x, %x) axis 0 : !layout.tensor<4 x N x f32>
  func.return %0 : !layout.tensor<4 x N x f32>
}
