// RUN: lamina-opt %s -p kernel-dead-code | filecheck %s

func.func @main(%x: !layout.tensor<4 x f32>) -> !layout.tensor<4 x f32> {
  %unread = kernel.constant @vector : !layout.tensor<4 x f32>
  %0 = kernel.map(%x, %unread) : !layout.tensor<4 x f32> each(%e, %f) {%sum = arith.addf %e, %f : f32}
  %1 = layout.reshape %0 : !layout.tensor<2 x 2 x f32>
  %2 = kernel.softmax(%x) : !layout.tensor<4 x f32>
  func.return %2 : !layout.tensor<4 x f32>
}

// CHECK:      func.func @main(%x: !layout.tensor<4 x f32>) -> !layout.tensor<4 x f32> {
// CHECK-NEXT:   %0 = kernel.softmax(%x) : !layout.tensor<4 x f32>
// CHECK-NEXT:   func.return %0 : !layout.tensor<4 x f32>
// CHECK-NEXT: }
