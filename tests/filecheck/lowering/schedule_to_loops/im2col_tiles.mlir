// RUN: lamina-opt %s --machine avx512_amx -p schedule-choose-tiles,lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512_amx -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix ASM

// Rows of the weights are the left, which has the sign; a panel of 32 pixels is the right. Its last ten words lie in a
// copy below zeros, and are multiplied with the last 16 words of the weights.
// CHECK-LABEL: func.func @conv_im2col_
// CHECK: vector.store {{.*}} vector<128xui8>
// CHECK: scf.forall
// CHECK: vector.load {{.*}}, vector<128xui8>
// CHECK-COUNT-4: amx.tile_zero : !amx.tile<16x16xi32>
// CHECK: scf.for
// CHECK-COUNT-2: amx.tile_load {{.*}} into !amx.tile<16x64xi8>
// CHECK-COUNT-2: amx.tile_load {{.*}} into !amx.tile<16x64xui8>
// CHECK-COUNT-4: amx.tile_mul "tdpbsud"
// CHECK-COUNT-4: amx.tile_mul "tdpbsud"
// CHECK-COUNT-4: amx.tile_store
// CHECK: vector.transfer_write {{.*}} vector<4x32xi32>

// ASM: ldtilecfg
// ASM-COUNT-8: tdpbsud
// ASM-COUNT-4: tilestored
// ASM: tilerelease
func.func @tiles(%x: !layout.tensor<1 x 40 x 16 x 16 x i8>, %w: !layout.tensor<32 x 40 x 3 x 3 x i8, acdB4b>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 32 x 14 x 14 x i32>
  schedule.stage @tiles %o = kernel.conv im2col(%x, %w) unsigned [0]
  func.return
}
