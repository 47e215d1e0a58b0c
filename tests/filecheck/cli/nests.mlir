// RUN: lamina-opt %s --machine avx512 -t nests | filecheck %s
// RUN: lamina-opt %s --machine avx512 -p schedule-choose-tiles -t nests | filecheck %s --check-prefix CHOSEN

// CHECK:      @gemm0 kernel.gemm
// CHECK-NEXT:   b  parallel  1
// CHECK-NEXT:   m  parallel  N            tile 6, chunks 3
// CHECK-NEXT:   n  parallel  512          tile 64
// CHECK-NEXT:   k  reduction 256          block 64, ahead 0, lanes 0, rows 0, columns 0
// CHECK-NEXT:   a[b, m, k], b[b, k, n], y[b, m, n]
// CHECK-NEXT:   loops [m, b, n], shared by threads [m], then tiles
// CHECK-NEXT:   pack true, pack_along false, prefetch false, atom multiply_add
// CHECK-NEXT:   scratch memory of a thread:
// CHECK:      @conv0 kernel.conv direct
// CHECK:        oc parallel  64
// CHECK:        kw reduction 1
// CHECK:        not decided: ow tile
// CHOSEN:     @conv0 kernel.conv direct
// CHOSEN:       ow parallel  56           tile 8
// CHOSEN:       loops [oc, n, oh], shared by threads [oc, n, oh], then tiles
func.func @products(%a: !layout.tensor<N x 256 x f32>, %b: !layout.tensor<256 x 512 x f32>, %x: !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>, %w: !layout.tensor<64 x 64 x 1 x 1 x f32, ABcd16b32a>) {
  %0 = schedule.buffer output 0 : !layout.tensor<N x 512 x f32>
  schedule.stage @gemm0 %0 = kernel.gemm(%a, %b) plan {m tile 6 chunks 3, n tile 64, k block 64, pack true, order [m], threads [m]}
  %1 = schedule.buffer output 1 : !layout.tensor<1 x 64 x 56 x 56 x f32, NCHW16c>
  schedule.stage @conv0 %1 = kernel.conv direct(%x, %w)
  func.return
}
