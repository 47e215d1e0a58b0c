// RUN: lamina-opt %s --machine avx512_amx -p kernel-choose-layouts,lower-kernel-to-schedule,schedule-choose-tiles | filecheck %s

// Registers of whole matrices: a strip's windows take half of L2, since each strip reads all weights again.
// CHECK: schedule.stage @conv0 {{.*}}strip 112, atom tdpbf16ps
func.func @deep(%x: !layout.tensor<1 x 512 x 28 x 28 x bf16>) -> !layout.tensor<1 x 512 x 28 x 28 x f32> {
  %w = kernel.constant @w : !layout.tensor<512 x 512 x 3 x 3 x bf16>
  %y = kernel.conv direct(%x, %w) pads [1, 1, 1, 1] : !layout.tensor<1 x 512 x 28 x 28 x f32>
  func.return %y : !layout.tensor<1 x 512 x 28 x 28 x f32>
}
