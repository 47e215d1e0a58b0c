// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p 'kernel-round-products{precision=bf16}' --constant 'weight=dense<1.1> : tensor<64x32xf32>' --constant 'window=dense<0.5> : tensor<64x64x3x3xf32>' --constant 'point=dense<0.5> : tensor<64x32x1x1xf32>' --constant 'short=dense<0.5> : tensor<1x32xf32>' | filecheck %s
// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p kernel-round-products --constant 'weight=dense<1.1> : tensor<64x32xf32>' --constant 'window=dense<0.5> : tensor<64x64x3x3xf32>' --constant 'point=dense<0.5> : tensor<64x32x1x1xf32>' --constant 'short=dense<0.5> : tensor<1x32xf32>' | filecheck %s --check-prefix WIDE
// RUN: lamina-opt %s --machine avx512_amx -p 'kernel-round-products{precision=bf16}' --constant 'weight=dense<1.1> : tensor<64x32xf32>' --constant 'window=dense<0.5> : tensor<64x64x3x3xf32>' --constant 'point=dense<0.5> : tensor<64x32x1x1xf32>' --constant 'short=dense<0.5> : tensor<1x32xf32>' | filecheck %s --check-prefix TILES

// WIDE-NOT: bf16

// A map is what can store the tensor as bf16 alone: the other map that reads it reads that.

// CHECK-LABEL: @products
// CHECK-NEXT:    %[[W:.*]] = kernel.constant @weight.bf16 : !layout.tensor<64 x 32 x bf16>
// CHECK-NEXT:    %[[A:.*]] = kernel.map(%x) : !layout.tensor<N x 64 x f32>
// CHECK-NEXT:    %[[N:.*]] = kernel.map(%[[A]]) : !layout.tensor<N x 64 x bf16> each(%a) {%{{.*}} = arith.truncf %a : f32 to bf16}
// CHECK-NEXT:    %[[B:.*]] = kernel.map(%[[N]]) : !layout.tensor<N x 64 x f32> each(%a) {%{{.*}} = arith.extf %a : bf16 to f32}
// CHECK-NEXT:    kernel.gemm(%[[N]], %[[W]]) : !layout.tensor<N x 32 x f32>
// CHECK-NEXT:    kernel.map(%[[B]], %x)
func.func @products(%x: !layout.tensor<N x 64 x f32>) -> (!layout.tensor<N x 32 x f32>, !layout.tensor<N x 64 x f32>) {
  %w = kernel.constant @weight : !layout.tensor<64 x 32 x f32>
  %0 = kernel.map(%x) : !layout.tensor<N x 64 x f32> each(%a) {%n = arith.negf %a : f32}
  %1 = kernel.gemm(%0, %w) : !layout.tensor<N x 32 x f32>
  %2 = kernel.map(%0, %x) : !layout.tensor<N x 64 x f32> each(%a, %b) {%s = arith.addf %a, %b : f32}
  func.return %1, %2 : !layout.tensor<N x 32 x f32>, !layout.tensor<N x 64 x f32>
}

// Through views, and to what is put together.

// CHECK-LABEL: @moved
// CHECK-DAG:     %[[W:.*]] = kernel.constant @point.bf16
// CHECK-DAG:     %[[N:.*]] = kernel.map(%{{.*}}) : !layout.tensor<1 x 16 x 8 x 8 x bf16>
// CHECK:         %[[C:.*]] = kernel.concat(%[[N]], %[[N]]) axis 1 : !layout.tensor<1 x 32 x 8 x 8 x bf16>
// CHECK:         kernel.conv(%[[C]], %[[W]]) : !layout.tensor<1 x 64 x 8 x 8 x f32>
func.func @moved(%x: !layout.tensor<1 x 16 x 8 x 8 x f32>) -> !layout.tensor<1 x 64 x 8 x 8 x f32> {
  %w = kernel.constant @point : !layout.tensor<64 x 32 x 1 x 1 x f32>
  %m = kernel.map(%x) : !layout.tensor<1 x 16 x 8 x 8 x f32> each(%a) {%n = arith.negf %a : f32}
  %0 = kernel.concat(%m, %m) axis 1 : !layout.tensor<1 x 32 x 8 x 8 x f32>
  %1 = kernel.conv(%0, %w) : !layout.tensor<1 x 64 x 8 x 8 x f32>
  func.return %1 : !layout.tensor<1 x 64 x 8 x 8 x f32>
}

// What reads a view as f32 takes the cast behind it, where it can become part of the reader.

// CHECK-LABEL: @read_in_part
// CHECK:         %[[N:.*]] = kernel.map(%{{.*}}) : !layout.tensor<N x 128 x bf16>
// CHECK:         %[[V:.*]] = layout.window %[[N]] at [0, 64]
// CHECK:         %[[B:.*]] = kernel.map(%[[V]]) : !layout.tensor<N x 64 x f32> each(%a) {%{{.*}} = arith.extf %a : bf16 to f32}
// CHECK:         kernel.gemm(
// CHECK:         kernel.map(%[[B]], %y)
func.func @read_in_part(%x: !layout.tensor<N x 128 x f32>, %y: !layout.tensor<N x 64 x f32>) -> (!layout.tensor<N x 32 x f32>, !layout.tensor<N x 64 x f32>) {
  %w = kernel.constant @weight : !layout.tensor<64 x 32 x f32>
  %0 = kernel.map(%x) : !layout.tensor<N x 128 x f32> each(%a) {%n = arith.negf %a : f32}
  %1 = layout.window %0 at [0, 64] : !layout.tensor<N x 64 x f32, ab window [0, 64, 0, 0]>
  %2 = kernel.gemm(%1, %w) : !layout.tensor<N x 32 x f32>
  %3 = kernel.map(%1, %y) : !layout.tensor<N x 64 x f32> each(%a, %b) {%s = arith.addf %a, %b : f32}
  func.return %2, %3 : !layout.tensor<N x 32 x f32>, !layout.tensor<N x 64 x f32>
}

// A single row may be all that a cast of the other factor is for.

// CHECK-LABEL: @any_number_of_rows
// CHECK-NEXT:    kernel.map(%x)
// CHECK-NEXT:    kernel.gemm(%{{.*}}, %k) transpose_b : !layout.tensor<N x 400 x f32>
func.func @any_number_of_rows(%x: !layout.tensor<N x 64 x f32>, %k: !layout.tensor<400 x 64 x f32>) -> !layout.tensor<N x 400 x f32> {
  %0 = kernel.map(%x) : !layout.tensor<N x 64 x f32> each(%a) {%n = arith.negf %a : f32}
  %1 = kernel.gemm(%0, %k) transpose_b : !layout.tensor<N x 400 x f32>
  func.return %1 : !layout.tensor<N x 400 x f32>
}

// By Winograd's transforms f32 is faster; a sum of one product is no sum.

// CHECK-LABEL: @in_f32
// CHECK-NOT:     bf16
// CHECK-LABEL: @scaled

// Registers of whole matrices are faster than the transforms.

// TILES-LABEL: @in_f32
// TILES:         kernel.constant @window.bf16
func.func @in_f32(%x: !layout.tensor<1 x 64 x 56 x 56 x f32>, %t: !layout.tensor<N x 1 x f32>) -> (!layout.tensor<1 x 64 x 56 x 56 x f32>, !layout.tensor<N x 32 x f32>) {
  %w = kernel.constant @window : !layout.tensor<64 x 64 x 3 x 3 x f32>
  %y = kernel.conv(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 64 x 56 x 56 x f32>
  %s = kernel.constant @short : !layout.tensor<1 x 32 x f32>
  %z = kernel.gemm(%t, %s) : !layout.tensor<N x 32 x f32>
  func.return %y, %z : !layout.tensor<1 x 64 x 56 x 56 x f32>, !layout.tensor<N x 32 x f32>
}

// A factor of both is one of the sums, so that what is scaled needs no pass over memory.

// TILES-LABEL: @scaled
// TILES:         %[[A:.*]] = kernel.map(%{{.*}}) : !layout.tensor<64 x 64 x bf16>
// TILES:         %[[B:.*]] = kernel.map(%{{.*}}) : !layout.tensor<64 x 64 x bf16>
// TILES-NOT:     kernel.map
// TILES:         kernel.gemm(%[[A]], %[[B]]) transpose_b : !layout.tensor<64 x 64 x f32> epilogue(%{{.*}}) {%{{.*}} = arith.constant 2.500000e-01 : f32
func.func @scaled(%a: !layout.tensor<64 x 64 x f32>, %b: !layout.tensor<64 x 64 x f32>) -> !layout.tensor<64 x 64 x f32> {
  %3 = kernel.map(%a) : !layout.tensor<64 x 64 x f32> each(%e) {%n = arith.negf %e : f32}
  %4 = kernel.map(%b) : !layout.tensor<64 x 64 x f32> each(%e) {%n = arith.negf %e : f32}
  %0 = kernel.map(%3) : !layout.tensor<64 x 64 x f32> each(%e) {%c = arith.constant 0.5 : f32, %p = arith.mulf %e, %c : f32}
  %1 = kernel.map(%4) : !layout.tensor<64 x 64 x f32> each(%e) {%c = arith.constant 0.5 : f32, %p = arith.mulf %e, %c : f32}
  %2 = kernel.gemm(%0, %1) transpose_b : !layout.tensor<64 x 64 x f32>
  func.return %2 : !layout.tensor<64 x 64 x f32>
}
