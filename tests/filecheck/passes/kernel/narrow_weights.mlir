// RUN: lamina-opt %s --machine avx512 -p kernel-narrow-weights --constant 'whole=dense<-128.0> : tensor<256x512xf32>' --constant 'exact=dense<1.5> : tensor<256x512xf32>' --constant 'inexact=dense<1.1> : tensor<256x512xf32>' --constant 'large=dense<1.0e38> : tensor<256x512xf32>' | filecheck %s --check-prefix EXACT
// RUN: lamina-opt %s --machine avx512 -p 'kernel-narrow-weights{precision=f16}' --constant 'whole=dense<-128.0> : tensor<256x512xf32>' --constant 'exact=dense<1.5> : tensor<256x512xf32>' --constant 'inexact=dense<1.1> : tensor<256x512xf32>' --constant 'large=dense<1.0e38> : tensor<256x512xf32>' | filecheck %s --check-prefix F16
// RUN: lamina-opt %s --machine avx512 -p 'kernel-narrow-weights{precision=bf16}' --constant 'whole=dense<-128.0> : tensor<256x512xf32>' --constant 'exact=dense<1.5> : tensor<256x512xf32>' --constant 'inexact=dense<1.1> : tensor<256x512xf32>' --constant 'large=dense<1.0e38> : tensor<256x512xf32>' | filecheck %s --check-prefix BF16

// One row reads each number once.

// EXACT-LABEL: @numbers_of_f16
// EXACT-NEXT:    %[[W:.*]] = kernel.constant @exact.f16 : !layout.tensor<256 x 512 x f16>
// EXACT-NEXT:    kernel.gemm(%x, %[[W]]) : !layout.tensor<1 x 512 x f32>
func.func @numbers_of_f16(%x: !layout.tensor<1 x 256 x f32>) -> !layout.tensor<1 x 512 x f32> {
  %w = kernel.constant @exact : !layout.tensor<256 x 512 x f32>
  %0 = kernel.gemm(%x, %w) : !layout.tensor<1 x 512 x f32>
  func.return %0 : !layout.tensor<1 x 512 x f32>
}

// EXACT-LABEL: @numbers_of_f32
// EXACT-NEXT:    %w = kernel.constant @inexact : !layout.tensor<256 x 512 x f32>
// F16-LABEL:   @numbers_of_f32
// F16-NEXT:      %[[W:.*]] = kernel.constant @inexact.f16 : !layout.tensor<256 x 512 x f16>
// F16-NEXT:      kernel.gemm(%x, %[[W]]) : !layout.tensor<1 x 512 x f32>
// BF16-LABEL:  @numbers_of_f32
// BF16-NEXT:     kernel.constant @inexact.bf16 : !layout.tensor<256 x 512 x bf16>
func.func @numbers_of_f32(%x: !layout.tensor<1 x 256 x f32>) -> !layout.tensor<1 x 512 x f32> {
  %w = kernel.constant @inexact : !layout.tensor<256 x 512 x f32>
  %0 = kernel.gemm(%x, %w) : !layout.tensor<1 x 512 x f32>
  func.return %0 : !layout.tensor<1 x 512 x f32>
}

// Whole numbers of 8 bits, whatever is asked for.

// EXACT-LABEL: @whole_numbers
// EXACT-NEXT:    %[[W:.*]] = kernel.constant @whole.i8 : !layout.tensor<256 x 512 x i8>
// EXACT-NEXT:    kernel.gemm(%x, %[[W]]) : !layout.tensor<1 x 512 x f32>
// F16-LABEL:   @whole_numbers
// F16-NEXT:      kernel.constant @whole.i8
func.func @whole_numbers(%x: !layout.tensor<1 x 256 x f32>) -> !layout.tensor<1 x 512 x f32> {
  %w = kernel.constant @whole : !layout.tensor<256 x 512 x f32>
  %0 = kernel.gemm(%x, %w) : !layout.tensor<1 x 512 x f32>
  func.return %0 : !layout.tensor<1 x 512 x f32>
}

// What f16 cannot hold stays.

// F16-LABEL:   @large_numbers
// F16-NEXT:      %w = kernel.constant @large : !layout.tensor<256 x 512 x f32>
// BF16-LABEL:  @large_numbers
// BF16-NEXT:     %{{.*}} = kernel.constant @large.bf16 : !layout.tensor<256 x 512 x bf16>
func.func @large_numbers(%x: !layout.tensor<1 x 256 x f32>) -> !layout.tensor<1 x 512 x f32> {
  %w = kernel.constant @large : !layout.tensor<256 x 512 x f32>
  %0 = kernel.gemm(%x, %w) : !layout.tensor<1 x 512 x f32>
  func.return %0 : !layout.tensor<1 x 512 x f32>
}

// Many rows are bound by their products.

// EXACT-LABEL: @many_rows
// EXACT-NEXT:    %w = kernel.constant @exact : !layout.tensor<256 x 512 x f32>
func.func @many_rows(%x: !layout.tensor<200 x 256 x f32>) -> !layout.tensor<200 x 512 x f32> {
  %w = kernel.constant @exact : !layout.tensor<256 x 512 x f32>
  %0 = kernel.gemm(%x, %w) : !layout.tensor<200 x 512 x f32>
  func.return %0 : !layout.tensor<200 x 512 x f32>
}
