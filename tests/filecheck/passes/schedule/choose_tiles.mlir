// RUN: lamina-opt %s --machine avx512 -p schedule-choose-tiles | filecheck %s --check-prefixes CHECK,AVX512
// RUN: lamina-opt %s --machine avx2 -p schedule-choose-tiles | filecheck %s --check-prefixes CHECK,AVX2

func.func @products(%x: !layout.tensor<120 x 256 x f32>, %w: !layout.tensor<256 x 512 x f32>, %v: !layout.tensor<512 x 256 x f32>) {
  %0 = schedule.buffer output 0 : !layout.tensor<120 x 512 x f32>
  %1 = schedule.buffer output 1 : !layout.tensor<120 x 512 x f32>
  // As many rows as stay in registers, dividing the 120 evenly; rows of B that lie far apart are copied.
  // AVX512: schedule.stage @a {{.*}} plan {m tile 6, n tile 64, pack true, pack_along true, prefetch true}
  // AVX2: schedule.stage @a {{.*}} plan {m tile 6, n tile 16, pack true, pack_along true, prefetch true}
  schedule.stage @a %0 = kernel.gemm(%x, %w)
  // A transposed operand is packed in scratch memory, one panel at a time; a decision that is there stays.
  // AVX512: schedule.stage @b {{.*}} plan {m tile 3, n tile 64}
  // AVX2: schedule.stage @b {{.*}} plan {m tile 3, n tile 16}
  schedule.stage @b %1 = kernel.gemm(%x, %v) transpose_b plan {m tile 3}
  func.return
}

// CHECK-LABEL: @convolution
func.func @convolution(%x: !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>, %w: !layout.tensor<64 x 64 x 1 x 1 x f32, ABcd16b32a>) {
  %0 = schedule.buffer output 0 : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>
  // A 1x1 convolution sees one row of 3136 pixels.
  // AVX512: schedule.stage @c {{.*}} plan {ow tile 8}
  // AVX2: schedule.stage @c {{.*}} plan {ow tile 2}
  schedule.stage @c %0 = kernel.conv direct(%x, %w)
  func.return
}

// CHECK-LABEL: @other_algorithms
func.func @other_algorithms(%x: !layout.tensor<1 x 32 x 7 x 7 x f32>, %w: !layout.tensor<64 x 32 x 3 x 3 x f32>, %n: !layout.tensor<1 x 32 x H x W x f32, NHWC>, %p: !layout.tensor<64 x 32 x 3 x 3 x f32, Acdb64a>) {
  %0 = schedule.buffer output 0 : !layout.tensor<1 x 64 x 7 x 7 x f32>
  %1 = schedule.buffer output 1 : !layout.tensor<1 x 64 x H x W x f32, NHWC>
  // Two panels hold the image: threads share its output channels too. The panel of 288 x 48 numbers lies in scratch.
  // AVX512: schedule.stage @d {{.*}} plan {oc tile 8 chunks 8, p tile 32 lanes 16}
  schedule.stage @d %0 = kernel.conv im2col(%x, %w) pads [1, 1, 1, 1]
  // The table holds 9 taps of 96 pixels, then come 32 zeros.
  // AVX512: schedule.stage @e {{.*}} plan {p tile 6 block 96, oc lanes 16}
  schedule.stage @e %1 = kernel.conv indirect(%n, %p) pads [1, 1, 1, 1]
  func.return
}

// x is too large for a cache: pieces of it go through all output channels before the next ones do.
// CHECK-LABEL: @large
func.func @large(%x: !layout.tensor<1 x 512 x 96 x 100 x f32, NCHW16c>, %w: !layout.tensor<512 x 512 x 1 x 1 x f32, ABcd16b32a>) {
  %0 = schedule.buffer output 0 : !layout.tensor<1 x 512 x 96 x 100 x f32, NCHW16c>
  // AVX512: schedule.stage @g {{.*}} plan {ow tile 12, strip {{[0-9]+}}, pack true}
  schedule.stage @g %0 = kernel.conv direct(%x, %w)
  func.return
}

// A signal of any length, each of whose places reads much of x: a strip of it stays in the cache for all channels.
// CHECK-LABEL: @signal
func.func @signal(%x: !layout.tensor<1 x 512 x 1 x L x f32, NCHW16c>, %w: !layout.tensor<512 x 512 x 1 x 1 x f32, ABcd16b32a>) {
  %0 = schedule.buffer output 0 : !layout.tensor<1 x 512 x 1 x L x f32, NCHW16c>
  // AVX512: schedule.stage @s {{.*}} plan {ow tile 13, strip 117, pack true}
  schedule.stage @s %0 = kernel.conv direct(%x, %w)
  func.return
}

// A panel of B would leave the cache before all rows have used it; its width leaves few lanes empty. Of two panels threads
// share chunks of rows, too.
// CHECK-LABEL: @deep
func.func @deep(%x: !layout.tensor<120 x 9000 x f32>, %w: !layout.tensor<9000 x 81 x f32>) {
  %0 = schedule.buffer output 0 : !layout.tensor<120 x 81 x f32>
  // AVX512: schedule.stage @h {{.*}} plan {m tile 8, n tile 48, k block 512, pack true, pack_along true, prefetch true}
  schedule.stage @h %0 = kernel.gemm(%x, %w)
  func.return
}

// One column leaves lanes over columns idle, and B transposed for one row would be copied: lanes run along the depth.
// CHECK-LABEL: @along_depth
func.func @along_depth(%s: !layout.tensor<S x 64 x f32>, %t: !layout.tensor<T x 64 x f32>, %x: !layout.tensor<2048 x 256 x f32>, %w: !layout.tensor<256 x 1 x f32>, %r: !layout.tensor<1 x 256 x f32>, %v: !layout.tensor<1000 x 256 x f32>, %p: !layout.tensor<256 x 1000 x f32>) {
  %0 = schedule.buffer output 0 : !layout.tensor<2048 x 1 x f32>
  %1 = schedule.buffer output 1 : !layout.tensor<1 x 1000 x f32>
  %2 = schedule.buffer output 2 : !layout.tensor<1 x 1000 x f32>
  // AVX512: schedule.stage @i {{.*}} plan {m tile 8 chunks 16, n tile 1, k lanes 16}
  // AVX2: schedule.stage @i {{.*}} plan {m tile {{[4-8]}} chunks {{[0-9]+}}, n tile 1, k lanes {{8|16}}}
  schedule.stage @i %0 = kernel.gemm(%x, %w)
  // AVX512: schedule.stage @j {{.*}} plan {m tile 1, n tile 8, k lanes 16}
  schedule.stage @j %1 = kernel.gemm(%r, %v) transpose_b
  // How many rows there are is seen when the product runs.
  %3 = schedule.buffer output 3 : !layout.tensor<S x T x f32>
  // AVX512: schedule.stage @l {{.*}} plan {m tile 6, n tile 64, k lanes 16 rows {{1|2|4|8}} columns 8}
  schedule.stage @l %3 = kernel.gemm(%s, %t) transpose_b
  // CHECK: schedule.stage @k
  // CHECK-NOT: depth_lanes
  schedule.stage @k %2 = kernel.gemm(%r, %p)
  func.return
}

// Threads share the rows of a product of one panel.
// CHECK-LABEL: @one_panel
func.func @one_panel(%x: !layout.tensor<4096 x 256 x f32>, %w: !layout.tensor<256 x 32 x f32, Ba32b>) {
  %0 = schedule.buffer output 0 : !layout.tensor<4096 x 32 x f32>
  // AVX512: schedule.stage @m {{.*}} plan {m tile {{[0-9]+}} chunks {{[4-9]|1[0-6]}}}
  schedule.stage @m %0 = kernel.gemm(%x, %w)
  func.return
}

// All channels are one panel, so it is blocks of tiles that threads share, and there are enough of them.
// CHECK-LABEL: @narrow_winograd
func.func @narrow_winograd(%x: !layout.tensor<1 x 64 x 28 x 28 x f32, NCHW16c halo [0, 0, 1, 1, 0, 0, 1, 1]>, %u: !layout.tensor<45 x 64 x 64 x f32, Cab64c>) {
  %0 = schedule.buffer output 0 : !layout.tensor<1 x 64 x 28 x 28 x f32, NCHW16c>
  // AVX512: schedule.stage @w {{.*}} plan {t tile {{[0-9]+}} block {{[0-9]|1[0-9]}}, prefetch true}
  schedule.stage @w %0 = kernel.conv winograd4(%x, %u) pads [1, 1, 1, 1]
  func.return
}
