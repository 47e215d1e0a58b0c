// RUN: lamina-opt %s -p kernel-fuse-maps | filecheck %s

// The second map reads the first one twice and both read %x: all becomes one map of %x.

func.func @chain(%x: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
  %0 = kernel.map(%x) : !layout.tensor<N x 4 x f32> each(%e) {%one = arith.constant 1.0 : f32, %sum = arith.addf %e, %one : f32}
  %1 = kernel.map(%0, %x) : !layout.tensor<N x 4 x f32> each(%s, %e) {%one = arith.constant 1.0 : f32, %product = arith.mulf %s, %e : f32, %difference = arith.subf %product, %one : f32}
  func.return %1 : !layout.tensor<N x 4 x f32>
}

// What the second map broadcasts is computed once, and stays.

func.func @broadcast(%x: !layout.tensor<1 x 4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
  %0 = kernel.map(%x) : !layout.tensor<1 x 4 x f32> each(%e) {%power = math.exp %e : f32}
  %1 = kernel.map(%0, %y) : !layout.tensor<N x 4 x f32> each(%e, %f) {%sum = arith.addf %e, %f : f32}
  func.return %1 : !layout.tensor<N x 4 x f32>
}

// Two readers: a cast is copied into both, more work would not be.

func.func @two_readers(%x: !layout.tensor<4 x i32>) -> (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) {
  %0 = kernel.map(%x) : !layout.tensor<4 x f32> each(%e) {%number = arith.sitofp %e : i32 to f32}
  %1 = kernel.map(%0) : !layout.tensor<4 x f32> each(%e) {%power = math.exp %e : f32}
  %2 = kernel.map(%1, %0) : !layout.tensor<4 x f32> each(%e, %f) {%sum = arith.addf %e, %f : f32}
  func.return %1, %2 : !layout.tensor<4 x f32>, !layout.tensor<4 x f32>
}

// What dequantises bytes is copied into all readers, so that bytes are stored, whatever made them.

func.func @bytes(%x: !layout.tensor<4 x f32>) -> (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) {
  %0 = kernel.map(%x) : !layout.tensor<4 x i8> each(%e) {%i = arith.fptosi %e : f32 to i32, %b = arith.trunci %i : i32 to i8}
  %1 = kernel.map(%0) : !layout.tensor<4 x i32> each(%e) {%w = arith.extui %e : i8 to i32}
  %2 = kernel.map(%1) : !layout.tensor<4 x f32> each(%e) {%number = arith.sitofp %e : i32 to f32}
  %3 = kernel.map(%2) : !layout.tensor<4 x f32> each(%e) {%power = math.exp %e : f32}
  %4 = kernel.map(%2, %3) : !layout.tensor<4 x f32> each(%e, %f) {%sum = arith.addf %e, %f : f32}
  func.return %3, %4 : !layout.tensor<4 x f32>, !layout.tensor<4 x f32>
}

// A map reads what is repeated before it is; not where only a run can tell whether it is.

func.func @repeated(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<broadcast(M, N) x 4 x f32> {
  %0 = kernel.broadcast(%x) : !layout.tensor<broadcast(M, N) x 4 x f32>
  %1 = kernel.broadcast(%y) : !layout.tensor<broadcast(M, N) x 4 x f32>
  %2 = kernel.map(%0, %1) : !layout.tensor<broadcast(M, N) x 4 x f32> each(%e, %f) {%sum = arith.addf %e, %f : f32}
  func.return %2 : !layout.tensor<broadcast(M, N) x 4 x f32>
}

// CHECK:      func.func @chain(%x: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.map(%x) : !layout.tensor<N x 4 x f32> each(%e) {
// CHECK-NEXT:     %one = arith.constant 1.000000e+00 : f32
// CHECK-NEXT:     %sum = arith.addf %e, %one : f32
// CHECK-NEXT:     %product = arith.mulf %sum, %e : f32
// CHECK-NEXT:     %difference = arith.subf %product, %one : f32
// CHECK-NEXT:   }
// CHECK-NEXT:   func.return %0 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @broadcast(%x: !layout.tensor<1 x 4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<N x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.map(%x) : !layout.tensor<1 x 4 x f32> each(%e) {%power = math.exp %e : f32}
// CHECK-NEXT:   %1 = kernel.map(%0, %y) : !layout.tensor<N x 4 x f32> each(%e, %f) {%sum = arith.addf %e, %f : f32}
// CHECK-NEXT:   func.return %1 : !layout.tensor<N x 4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @two_readers(%x: !layout.tensor<4 x i32>) -> (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) {
// CHECK-NEXT:   %0 = kernel.map(%x) : !layout.tensor<4 x f32> each(%e) {%number = arith.sitofp %e : i32 to f32, %power = math.exp %number : f32}
// CHECK-NEXT:   %1 = kernel.map(%0, %x) : !layout.tensor<4 x f32> each(%e, %e_1) {%number = arith.sitofp %e_1 : i32 to f32, %sum = arith.addf %e, %number : f32}
// CHECK-NEXT:   func.return %0, %1 : !layout.tensor<4 x f32>, !layout.tensor<4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @bytes(%x: !layout.tensor<4 x f32>) -> (!layout.tensor<4 x f32>, !layout.tensor<4 x f32>) {
// CHECK-NEXT:   %0 = kernel.map(%x) : !layout.tensor<4 x i8> each(%e) {%i = arith.fptosi %e : f32 to i32, %b = arith.trunci %i : i32 to i8}
// CHECK-NEXT:   %1 = kernel.map(%0) : !layout.tensor<4 x f32> each(%e) {%w = arith.extui %e : i8 to i32, %number = arith.sitofp %w : i32 to f32, %power = math.exp %number : f32}
// CHECK-NEXT:   %2 = kernel.map(%1, %0) : !layout.tensor<4 x f32> each(%f, %e) {%w = arith.extui %e : i8 to i32, %number = arith.sitofp %w : i32 to f32, %sum = arith.addf %number, %f : f32}
// CHECK-NEXT:   func.return %1, %2 : !layout.tensor<4 x f32>, !layout.tensor<4 x f32>
// CHECK-NEXT: }
// CHECK-NEXT: func.func @repeated(%x: !layout.tensor<4 x f32>, %y: !layout.tensor<N x 4 x f32>) -> !layout.tensor<(broadcast(M, N)) x 4 x f32> {
// CHECK-NEXT:   %0 = kernel.broadcast(%y) : !layout.tensor<(broadcast(M, N)) x 4 x f32>
// CHECK-NEXT:   %1 = kernel.map(%x, %0) : !layout.tensor<(broadcast(M, N)) x 4 x f32> each(%e, %f) {%sum = arith.addf %e, %f : f32}
// CHECK-NEXT:   func.return %1 : !layout.tensor<(broadcast(M, N)) x 4 x f32>
// CHECK-NEXT: }

// What narrows the result of a product alone stays there for the product to store, whoever reads it.

// CHECK-LABEL: @narrowed_product
// CHECK-NEXT:    %0 = kernel.gemm(%a, %b)
// CHECK-NEXT:    %1 = kernel.map(%0) : !layout.tensor<4 x 4 x bf16>
// CHECK-NEXT:    %2 = kernel.map(%1)
// CHECK-NEXT:    kernel.gemm(%1, %c)
func.func @narrowed_product(%a: !layout.tensor<4 x 4 x f32>, %b: !layout.tensor<4 x 4 x f32>, %c: !layout.tensor<4 x 4 x bf16>) -> (!layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x bf16>) {
  %0 = kernel.gemm(%a, %b) : !layout.tensor<4 x 4 x f32>
  %1 = kernel.map(%0) : !layout.tensor<4 x 4 x bf16> each(%e) {%n = arith.truncf %e : f32 to bf16}
  %2 = kernel.map(%1) : !layout.tensor<4 x 4 x f32> each(%e) {%w = arith.extf %e : bf16 to f32, %m = arith.negf %w : f32}
  %3 = kernel.gemm(%1, %c) : !layout.tensor<4 x 4 x bf16>
  func.return %2, %3 : !layout.tensor<4 x 4 x f32>, !layout.tensor<4 x 4 x bf16>
}
