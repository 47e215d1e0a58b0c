// RUN: lamina-opt %s -p kernel-fuse-epilogues --constant 'b=dense<1.0> : tensor<1x4x1x1xf32>' | filecheck %s

// The constant per channel becomes the bias, the rest of the map the epilogue.

func.func @conv(%x: !layout.tensor<N x 3 x 6 x 6 x f32>, %skip: !layout.tensor<N x 4 x 6 x 6 x f32>) -> !layout.tensor<N x 4 x 6 x 6 x f32> {
  %w = kernel.constant @w : !layout.tensor<4 x 3 x 1 x 1 x f32>
  %b = kernel.constant @b : !layout.tensor<1 x 4 x 1 x 1 x f32>
  %0 = kernel.conv(%x, %w) : !layout.tensor<N x 4 x 6 x 6 x f32>
  %1 = kernel.map(%skip, %0, %b) : !layout.tensor<N x 4 x 6 x 6 x f32> each(%s, %e, %f) {%biased = arith.addf %e, %f : f32, %sum = arith.addf %biased, %s : f32}
  func.return %1 : !layout.tensor<N x 4 x 6 x 6 x f32>
}

// Only a bias: no epilogue is left. The second map goes behind the first one.

func.func @gemm(%x: !layout.tensor<N x 4 x f32>) -> (!layout.tensor<N x 4 x f32>, !layout.tensor<N x 4 x f32>) {
  %w = kernel.constant @square : !layout.tensor<4 x 4 x f32>
  %b = kernel.constant @vector : !layout.tensor<4 x f32>
  %0 = kernel.gemm(%x, %w) : !layout.tensor<N x 4 x f32>
  %1 = kernel.map(%0, %b) : !layout.tensor<N x 4 x f32> each(%e, %f) {%biased = arith.addf %e, %f : f32}
  %2 = kernel.softmax(%1) : !layout.tensor<N x 4 x f32>
  %3 = kernel.map(%2) : !layout.tensor<N x 4 x f32> each(%e) {%root = math.sqrt %e : f32}
  %4 = kernel.map(%3) : !layout.tensor<N x 4 x f32> each(%e) {%negative = arith.negf %e : f32}
  func.return %1, %4 : !layout.tensor<N x 4 x f32>, !layout.tensor<N x 4 x f32>
}

// A result that others read, or that the map broadcasts, keeps its map.

func.func @kept(%x: !layout.tensor<3 x 4 x f32>) -> (!layout.tensor<3 x 4 x f32>, !layout.tensor<3 x 4 x f32>) {
  %0 = kernel.softmax(%x) : !layout.tensor<3 x 4 x f32>
  %1 = kernel.reduce max(%0) axes [0] : !layout.tensor<1 x 4 x f32>
  %2 = kernel.map(%0, %1) : !layout.tensor<3 x 4 x f32> each(%e, %f) {%quotient = arith.divf %e, %f : f32}
  func.return %0, %2 : !layout.tensor<3 x 4 x f32>, !layout.tensor<3 x 4 x f32>
}

// CHECK:      func.func @conv(%x: !layout.tensor<N x 3 x 6 x 6 x f32>, %skip: !layout.tensor<N x 4 x 6 x 6 x f32>) -> !layout.tensor<N x 4 x 6 x 6 x f32> {
// CHECK-NEXT:   %w = kernel.constant @w : !layout.tensor<4 x 3 x 1 x 1 x f32>
// CHECK-NEXT:   %b = kernel.constant @b : !layout.tensor<1 x 4 x 1 x 1 x f32>
// CHECK-NEXT:   %0 = kernel.constant @b_1 : !layout.tensor<4 x f32>
// CHECK-NEXT:   %1 = kernel.conv(%x, %w, %0) : !layout.tensor<N x 4 x 6 x 6 x f32> epilogue(%e, %s = %skip) {%sum = arith.addf %e, %s : f32}
// CHECK-NEXT:   func.return %1 : !layout.tensor<N x 4 x 6 x 6 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @gemm(%x: !layout.tensor<N x 4 x f32>) -> (!layout.tensor<N x 4 x f32>, !layout.tensor<N x 4 x f32>) {
// CHECK-NEXT:   %w = kernel.constant @square : !layout.tensor<4 x 4 x f32>
// CHECK-NEXT:   %b = kernel.constant @vector : !layout.tensor<4 x f32>
// CHECK-NEXT:   %0 = kernel.constant @vector : !layout.tensor<4 x f32>
// CHECK-NEXT:   %1 = kernel.gemm(%x, %w, %0) : !layout.tensor<N x 4 x f32>
// CHECK-NEXT:   %2 = kernel.softmax(%1) : !layout.tensor<N x 4 x f32> epilogue(%e) {%root = math.sqrt %e : f32, %negative = arith.negf %root : f32}
// CHECK-NEXT:   func.return %1, %2 : !layout.tensor<N x 4 x f32>, !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @kept(%x: !layout.tensor<3 x 4 x f32>) -> (!layout.tensor<3 x 4 x f32>, !layout.tensor<3 x 4 x f32>) {
// CHECK-NEXT:   %0 = kernel.softmax(%x) : !layout.tensor<3 x 4 x f32>
// CHECK-NEXT:   %1 = kernel.reduce max(%0) axes [0] : !layout.tensor<1 x 4 x f32>
// CHECK-NEXT:   %2 = kernel.map(%0, %1) : !layout.tensor<3 x 4 x f32> each(%e, %f) {%quotient = arith.divf %e, %f : f32}
// CHECK-NEXT:   func.return %0, %2 : !layout.tensor<3 x 4 x f32>, !layout.tensor<3 x 4 x f32>
// CHECK-NEXT: }

// A mean of f32 is stored narrower; a product writes its rows where the map does.

// CHECK-LABEL: @stored_otherwise
// CHECK-NEXT:    kernel.reduce mean(%x) axes [1] : !layout.tensor<4 x 1 x f16> epilogue(%e: f32) {%n = arith.truncf %e : f32 to f16}
// CHECK-NEXT:    kernel.gemm(%a, %b) : !layout.tensor<2 x 3 x 8 x f16, bac> epilogue(%e: f32) {%n = arith.truncf %e : f32 to f16}
func.func @stored_otherwise(%x: !layout.tensor<4 x 8 x f32>, %a: !layout.tensor<2 x 3 x 4 x f32>, %b: !layout.tensor<2 x 4 x 8 x f32>) -> (!layout.tensor<4 x 1 x f16>, !layout.tensor<2 x 3 x 8 x f16, bac>) {
  %0 = kernel.reduce mean(%x) axes [1] : !layout.tensor<4 x 1 x f32>
  %1 = kernel.map(%0) : !layout.tensor<4 x 1 x f16> each(%e) {%n = arith.truncf %e : f32 to f16}
  %2 = kernel.gemm(%a, %b) : !layout.tensor<2 x 3 x 8 x f32>
  %3 = kernel.map(%2) : !layout.tensor<2 x 3 x 8 x f16, bac> each(%e) {%n = arith.truncf %e : f32 to f16}
  func.return %1, %3 : !layout.tensor<4 x 1 x f16>, !layout.tensor<2 x 3 x 8 x f16, bac>
}

// What only moves floats may widen or round them on the way.

// CHECK-LABEL: @rounded
// CHECK-NEXT:    kernel.concat(%x, %y) axis 0 : !layout.tensor<6 x 4 x bf16> epilogue(%e: f32) {%t = arith.truncf %e : f32 to bf16}
func.func @rounded(%x: !layout.tensor<3 x 4 x f32>, %y: !layout.tensor<3 x 4 x f32>) -> !layout.tensor<6 x 4 x bf16> {
  %0 = kernel.concat(%x, %y) axis 0 : !layout.tensor<6 x 4 x f32>
  %1 = kernel.map(%0) : !layout.tensor<6 x 4 x bf16> each(%e) {%t = arith.truncf %e : f32 to bf16}
  func.return %1 : !layout.tensor<6 x 4 x bf16>
}

// CHECK-LABEL: @widened
// CHECK-NEXT:    kernel.concat(%x, %y) axis 0 : !layout.tensor<6 x 4 x f32> epilogue(%e: f16) {%w = arith.extf %e : f16 to f32, %n = arith.negf %w : f32}
func.func @widened(%x: !layout.tensor<3 x 4 x f16>, %y: !layout.tensor<3 x 4 x f16>) -> !layout.tensor<6 x 4 x f32> {
  %0 = kernel.concat(%x, %y) axis 0 : !layout.tensor<6 x 4 x f16>
  %1 = kernel.map(%0) : !layout.tensor<6 x 4 x f32> each(%e) {%w = arith.extf %e : f16 to f32, %n = arith.negf %w : f32}
  func.return %1 : !layout.tensor<6 x 4 x f32>
}
