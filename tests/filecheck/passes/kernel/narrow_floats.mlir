// RUN: lamina-opt %s --machine avx512_vnni_bf16 -p kernel-narrow-floats --constant 'exact=dense<1.5> : tensor<64x32xf32>' --constant 'window=dense<0.5> : tensor<16x16x3x3xf32>' --constant 'few=dense<0.5> : tensor<16x3x3x3xf32>' --constant 'inexact=dense<1.1> : tensor<64x32xf32>' | filecheck %s
// RUN: lamina-opt %s --machine avx512 -p kernel-narrow-floats --constant 'exact=dense<1.5> : tensor<64x32xf32>' --constant 'window=dense<0.5> : tensor<16x16x3x3xf32>' --constant 'few=dense<0.5> : tensor<16x3x3x3xf32>' --constant 'inexact=dense<1.1> : tensor<64x32xf32>' | filecheck %s --check-prefix WIDE

// What was widened is taken as it was, through views too. A constant is stored again, once.

// CHECK-LABEL: @products
// CHECK-NEXT:    %[[A:.*]] = kernel.constant @exact.bf16 : !layout.tensor<64 x 32 x bf16>
// CHECK-NEXT:    kernel.gemm(%x, %[[A]]) : !layout.tensor<N x 32 x f32>
// CHECK-NEXT:    %[[T:.*]] = layout.transpose %y [1, 0] : !layout.tensor<N x 64 x bf16, ba>
// CHECK-NEXT:    %[[B:.*]] = kernel.constant @exact.bf16 : !layout.tensor<64 x 32 x bf16>
// CHECK-NEXT:    kernel.gemm(%[[T]], %[[B]]) : !layout.tensor<N x 32 x f32>
// WIDE-LABEL:  @products
// WIDE:          kernel.map(%x)
func.func @products(%x: !layout.tensor<N x 64 x bf16>, %y: !layout.tensor<64 x N x bf16>) -> (!layout.tensor<N x 32 x f32>, !layout.tensor<N x 32 x f32>) {
  %w = kernel.constant @exact : !layout.tensor<64 x 32 x f32>
  %0 = kernel.map(%x) : !layout.tensor<N x 64 x f32> each(%a) {%wide = arith.extf %a : bf16 to f32}
  %1 = kernel.gemm(%0, %w) : !layout.tensor<N x 32 x f32>
  %2 = kernel.map(%y) : !layout.tensor<64 x N x f32> each(%a) {%wide = arith.extf %a : bf16 to f32}
  %3 = layout.transpose %2 [1, 0] : !layout.tensor<N x 64 x f32, ba>
  %4 = kernel.gemm(%3, %w) : !layout.tensor<N x 32 x f32>
  func.return %1, %4 : !layout.tensor<N x 32 x f32>, !layout.tensor<N x 32 x f32>
}

// CHECK-LABEL: @convolution
// CHECK-NEXT:    %[[W:.*]] = kernel.constant @window.bf16 : !layout.tensor<16 x 16 x 3 x 3 x bf16>
// CHECK-NEXT:    %[[Y:.*]] = kernel.conv(%x, %[[W]]) pads [1, 1, 1, 1] : !layout.tensor<1 x 16 x 8 x 8 x f32>
// CHECK-NEXT:    func.return %[[Y]]
func.func @convolution(%x: !layout.tensor<1 x 16 x 8 x 8 x bf16>) -> !layout.tensor<1 x 16 x 8 x 8 x f32> {
  %w = kernel.constant @window : !layout.tensor<16 x 16 x 3 x 3 x f32>
  %0 = kernel.map(%x) : !layout.tensor<1 x 16 x 8 x 8 x f32> each(%a) {%wide = arith.extf %a : bf16 to f32}
  %y = kernel.conv(%0, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 16 x 8 x 8 x f32>
  func.return %y : !layout.tensor<1 x 16 x 8 x 8 x f32>
}

// A constant of other numbers, a map that does more than widen, f16: all stays.

// CHECK-LABEL: @kept
// CHECK:         kernel.gemm(%{{.*}}, %w) : !layout.tensor<N x 32 x f32>
// CHECK:         kernel.gemm(%{{.*}}, %e) : !layout.tensor<N x 32 x f32>
// CHECK:         kernel.gemm(%{{.*}}, %e) : !layout.tensor<N x 32 x f32>
func.func @kept(%x: !layout.tensor<N x 64 x bf16>, %h: !layout.tensor<N x 64 x f16>) -> (!layout.tensor<N x 32 x f32>, !layout.tensor<N x 32 x f32>, !layout.tensor<N x 32 x f32>) {
  %w = kernel.constant @inexact : !layout.tensor<64 x 32 x f32>
  %e = kernel.constant @exact : !layout.tensor<64 x 32 x f32>
  %0 = kernel.map(%x) : !layout.tensor<N x 64 x f32> each(%a) {%wide = arith.extf %a : bf16 to f32}
  %1 = kernel.gemm(%0, %w) : !layout.tensor<N x 32 x f32>
  %2 = kernel.map(%x) : !layout.tensor<N x 64 x f32> each(%a) {%wide = arith.extf %a : bf16 to f32, %n = arith.negf %wide : f32}
  %3 = kernel.gemm(%2, %e) : !layout.tensor<N x 32 x f32>
  %4 = kernel.map(%h) : !layout.tensor<N x 64 x f32> each(%a) {%wide = arith.extf %a : f16 to f32}
  %5 = kernel.gemm(%4, %e) : !layout.tensor<N x 32 x f32>
  func.return %1, %3, %5 : !layout.tensor<N x 32 x f32>, !layout.tensor<N x 32 x f32>, !layout.tensor<N x 32 x f32>
}

// Of three channels an atom would multiply little, and weights that are not known could not be packed for it.

// CHECK-LABEL: @convolutions_in_f32
// CHECK:         kernel.conv(%{{.*}}, %few) : !layout.tensor<1 x 16 x 6 x 6 x f32>
// CHECK:         kernel.map(%w)
func.func @convolutions_in_f32(%x: !layout.tensor<1 x 3 x 8 x 8 x bf16>, %w: !layout.tensor<16 x 16 x 3 x 3 x bf16>) -> !layout.tensor<1 x 16 x 4 x 4 x f32> {
  %few = kernel.constant @few : !layout.tensor<16 x 3 x 3 x 3 x f32>
  %0 = kernel.map(%x) : !layout.tensor<1 x 3 x 8 x 8 x f32> each(%a) {%wide = arith.extf %a : bf16 to f32}
  %1 = kernel.conv(%0, %few) : !layout.tensor<1 x 16 x 6 x 6 x f32>
  %2 = kernel.map(%1) : !layout.tensor<1 x 16 x 6 x 6 x bf16> each(%a) {%narrow = arith.truncf %a : f32 to bf16}
  %3 = kernel.map(%2) : !layout.tensor<1 x 16 x 6 x 6 x f32> each(%a) {%wide = arith.extf %a : bf16 to f32}
  %4 = kernel.map(%w) : !layout.tensor<16 x 16 x 3 x 3 x f32> each(%a) {%wide = arith.extf %a : bf16 to f32}
  %y = kernel.conv(%3, %4) : !layout.tensor<1 x 16 x 4 x 4 x f32>
  func.return %y : !layout.tensor<1 x 16 x 4 x 4 x f32>
}
