// RUN: lamina-opt %s -p kernel-widen-floats | filecheck %s

// A product and a sum read it: both read the wide one. What takes the number as it is narrows it again.

// CHECK-LABEL: @residual
// CHECK-NEXT:    %0 = kernel.map(%x) : !layout.tensor<4 x 8 x f16> each(%a) {%t = arith.truncf %a : f32 to f16}
// CHECK-NEXT:    %[[W:.*]] = kernel.map(%0) : !layout.tensor<4 x 8 x f32> each(%a) {%2 = arith.extf %a : f16 to f32}
// CHECK-NEXT:    kernel.gemm(%[[W]], %b) : !layout.tensor<4 x 8 x f32>
// CHECK-NEXT:    kernel.map(%[[W]], %z) : !layout.tensor<4 x 8 x f32> each(%w, %c) {%s = arith.addf %w, %c : f32}
// CHECK-NEXT:    kernel.map(%[[W]]) : !layout.tensor<4 x 8 x f16> each(%a) {%a_1 = arith.truncf %a : f32 to f16, %n = arith.negf %a_1 : f16}
func.func @residual(%x: !layout.tensor<4 x 8 x f32>, %b: !layout.tensor<8 x 8 x f32>, %z: !layout.tensor<4 x 8 x f32>) -> (!layout.tensor<4 x 8 x f32>, !layout.tensor<4 x 8 x f32>, !layout.tensor<4 x 8 x f16>) {
  %0 = kernel.map(%x) : !layout.tensor<4 x 8 x f16> each(%a) {%t = arith.truncf %a : f32 to f16}
  %1 = kernel.map(%0) : !layout.tensor<4 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
  %2 = kernel.gemm(%1, %b) : !layout.tensor<4 x 8 x f32>
  %3 = kernel.map(%0, %z) : !layout.tensor<4 x 8 x f32> each(%a, %c) {%w = arith.extf %a : f16 to f32, %s = arith.addf %w, %c : f32}
  %4 = kernel.map(%0) : !layout.tensor<4 x 8 x f16> each(%a) {%n = arith.negf %a : f16}
  func.return %2, %3, %4 : !layout.tensor<4 x 8 x f32>, !layout.tensor<4 x 8 x f32>, !layout.tensor<4 x 8 x f16>
}

// Parts of a tensor become parts of the wide one.

// CHECK-LABEL: @parts
// CHECK-NEXT:    %0 = kernel.map(%x)
// CHECK-NEXT:    %[[W:.*]] = kernel.map(%0) : !layout.tensor<4 x 8 x f32>
// CHECK-NEXT:    %[[L:.*]] = layout.window %[[W]] at [0, 0]
// CHECK-NEXT:    %[[R:.*]] = layout.window %[[W]] at [0, 4]
// CHECK-NEXT:    kernel.gemm(%[[L]], %[[R]]) transpose_b
func.func @parts(%x: !layout.tensor<4 x 8 x f32>) -> !layout.tensor<4 x 4 x f32> {
  %0 = kernel.map(%x) : !layout.tensor<4 x 8 x f16> each(%a) {%t = arith.truncf %a : f32 to f16}
  %1 = layout.window %0 at [0, 0] : !layout.tensor<4 x 4 x f16, ab window [0, 0, 0, 4]>
  %2 = layout.window %0 at [0, 4] : !layout.tensor<4 x 4 x f16, ab window [0, 4, 0, 0]>
  %3 = kernel.map(%1) : !layout.tensor<4 x 4 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
  %4 = kernel.map(%2) : !layout.tensor<4 x 4 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
  %5 = kernel.gemm(%3, %4) transpose_b : !layout.tensor<4 x 4 x f32>
  func.return %5 : !layout.tensor<4 x 4 x f32>
}

// So do tensors put together of several, which two kernels read; for one the cast becomes part of the concat.

// CHECK-LABEL: @concatenated
// CHECK-NEXT:    %[[A:.*]] = kernel.map(%x) : !layout.tensor<4 x 8 x f32>
// CHECK-NEXT:    %[[B:.*]] = kernel.map(%y) : !layout.tensor<4 x 8 x f32>
// CHECK-NEXT:    %[[C:.*]] = kernel.concat(%[[A]], %[[B]]) axis 0 : !layout.tensor<8 x 8 x f32>
// CHECK-NEXT:    kernel.gemm(%b, %[[C]]) : !layout.tensor<8 x 8 x f32>
// CHECK-NEXT:    kernel.map(%[[C]]) : !layout.tensor<8 x 8 x f32>
func.func @concatenated(%x: !layout.tensor<4 x 8 x f16>, %y: !layout.tensor<4 x 8 x f16>, %b: !layout.tensor<8 x 8 x f32>) -> (!layout.tensor<8 x 8 x f32>, !layout.tensor<8 x 8 x f32>) {
  %0 = kernel.concat(%x, %y) axis 0 : !layout.tensor<8 x 8 x f16>
  %1 = kernel.map(%0) : !layout.tensor<8 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
  %2 = kernel.gemm(%b, %1) : !layout.tensor<8 x 8 x f32>
  %3 = kernel.map(%0) : !layout.tensor<8 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32, %n = arith.negf %w : f32}
  func.return %2, %3 : !layout.tensor<8 x 8 x f32>, !layout.tensor<8 x 8 x f32>
}

// CHECK-LABEL: @concatenated_for_one
// CHECK-NEXT:    %[[C:.*]] = kernel.concat(%x, %y) axis 0 : !layout.tensor<8 x 8 x f16>
// CHECK-NEXT:    %[[W:.*]] = kernel.map(%[[C]]) : !layout.tensor<8 x 8 x f32>
func.func @concatenated_for_one(%x: !layout.tensor<4 x 8 x f16>, %y: !layout.tensor<4 x 8 x f16>, %b: !layout.tensor<8 x 8 x f32>) -> !layout.tensor<8 x 8 x f32> {
  %0 = kernel.concat(%x, %y) axis 0 : !layout.tensor<8 x 8 x f16>
  %1 = kernel.map(%0) : !layout.tensor<8 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
  %2 = kernel.gemm(%b, %1) : !layout.tensor<8 x 8 x f32>
  func.return %2 : !layout.tensor<8 x 8 x f32>
}

// Where a product wrote its rows elsewhere, they stay there.

// CHECK-LABEL: @written_elsewhere
// CHECK:         kernel.map(%{{.*}}) : !layout.tensor<2 x 3 x 4 x f32, bac>
// CHECK:         layout.reshape %{{.*}} : !layout.tensor<3 x 8 x f32>
func.func @written_elsewhere(%x: !layout.tensor<2 x 3 x 4 x f32>, %b: !layout.tensor<8 x 8 x f32>, %z: !layout.tensor<3 x 8 x f32>) -> (!layout.tensor<3 x 8 x f32>, !layout.tensor<3 x 8 x f32>) {
  %0 = kernel.map(%x) : !layout.tensor<2 x 3 x 4 x f16, bac> each(%a) {%t = arith.truncf %a : f32 to f16}
  %1 = layout.transpose %0 [1, 0, 2] : !layout.tensor<3 x 2 x 4 x f16>
  %2 = layout.reshape %1 : !layout.tensor<3 x 8 x f16>
  %3 = kernel.map(%2) : !layout.tensor<3 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
  %4 = kernel.gemm(%3, %b) : !layout.tensor<3 x 8 x f32>
  %5 = kernel.map(%2, %z) : !layout.tensor<3 x 8 x f32> each(%a, %c) {%w = arith.extf %a : f16 to f32, %s = arith.addf %w, %c : f32}
  func.return %4, %5 : !layout.tensor<3 x 8 x f32>, !layout.tensor<3 x 8 x f32>
}

// What is stored narrow anyway, because something else reads it so, stays.

// CHECK-LABEL: @returned
// CHECK:         kernel.map(%0) : !layout.tensor<4 x 8 x f32>
// CHECK:         kernel.map(%0) : !layout.tensor<4 x 8 x f32>
func.func @returned(%x: !layout.tensor<4 x 8 x f32>, %b: !layout.tensor<8 x 8 x f32>) -> (!layout.tensor<4 x 8 x f16>, !layout.tensor<4 x 8 x f32>, !layout.tensor<4 x 8 x f32>) {
  %0 = kernel.map(%x) : !layout.tensor<4 x 8 x f16> each(%a) {%t = arith.truncf %a : f32 to f16}
  %1 = kernel.map(%0) : !layout.tensor<4 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32}
  %2 = kernel.gemm(%1, %b) : !layout.tensor<4 x 8 x f32>
  %3 = kernel.map(%0) : !layout.tensor<4 x 8 x f32> each(%a) {%w = arith.extf %a : f16 to f32, %n = arith.negf %w : f32}
  func.return %0, %2, %3 : !layout.tensor<4 x 8 x f16>, !layout.tensor<4 x 8 x f32>, !layout.tensor<4 x 8 x f32>
}
