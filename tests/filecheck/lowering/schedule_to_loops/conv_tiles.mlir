// RUN: lamina-opt %s --machine avx512_amx -p schedule-choose-tiles,lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512_amx -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix ASM

// Channels of a pixel under each tap are copied to a row, a cache line of four blocks at a time; two by two registers
// hold the sums of 32 pixels by 32 channels over whole blocks of 16 words, then the last four above zeros.
// CHECK-LABEL: func.func @conv_direct_
// CHECK: scf.forall
// CHECK: vector.load {{.*}}, vector<4x16xui8>
// CHECK-NEXT: vector.store {{.*}}, vector<4x16xui8>
// CHECK-COUNT-4: amx.tile_zero : !amx.tile<16x16xi32>
// CHECK: scf.for
// CHECK-COUNT-2: amx.tile_load {{.*}} into !amx.tile<16x64xui8>
// CHECK-COUNT-2: amx.tile_load {{.*}} into !amx.tile<16x64xi8>
// CHECK-COUNT-4: amx.tile_mul "tdpbusd"
// CHECK-COUNT-4: amx.tile_mul "tdpbusd"
// CHECK-COUNT-4: amx.tile_store
// CHECK: vector.load {{.*}}, vector<4x2x16xi32>
// CHECK: arith.addi
// CHECK: vector.store {{.*}}, vector<4x2x16xi32>

// The registers are set up and released once, and sums stay in them.
// ASM: ldtilecfg
// ASM-COUNT-4: tilezero
// ASM: [[LOOP:.LBB.*]]:
// ASM-COUNT-4: tileloadd
// ASM-COUNT-4: tdpbusd
// ASM-NOT: tilestored
// ASM: j{{[a-z]+}} [[LOOP]]
// ASM-COUNT-4: tdpbusd
// ASM-COUNT-4: tilestored
// ASM: tilerelease
func.func @tiles(%x: !layout.tensor<1 x 80 x 16 x 16 x i8, NCHW16c>, %w: !layout.tensor<64 x 80 x 3 x 3 x i8, AcdB32a4b>, %b: !layout.tensor<64 x i32, A16a>) {
  %o = schedule.buffer output 0 : !layout.tensor<1 x 64 x 14 x 14 x i32, NCHW16c>
  schedule.stage @tiles %o = kernel.conv direct(%x, %w, %b) unsigned [0]
  func.return
}
