// RUN: lamina-opt %s --machine avx512_amx -p schedule-choose-tiles,lower-schedule-to-loops | filecheck %s
// RUN: lamina-opt %s --machine avx512_amx -p schedule-choose-tiles,lower-schedule-to-loops,loops-map-threads,lower-loops-to-llvm -t asm | filecheck %s --check-prefix ASM

// Two by two registers hold the sums of 32 rows and columns over whole blocks of 64 products; each is loaded once.
// CHECK-LABEL: func.func @gemm_
// CHECK: scf.forall
// CHECK-COUNT-4: amx.tile_zero : !amx.tile<16x16xi32>
// CHECK: scf.for
// CHECK-COUNT-2: amx.tile_load {{.*}} into !amx.tile<16x64xui8>
// CHECK-NOT: amx.tile_load {{.*}}xui8
// CHECK-COUNT-2: amx.tile_load {{.*}} into !amx.tile<16x64xi8>
// CHECK-COUNT-4: amx.tile_mul "tdpbusd"
// The last words are multiplied with those before them, again, which meet zeros.
// CHECK-COUNT-4: amx.tile_mul "tdpbusd"
// CHECK-COUNT-4: amx.tile_store
// CHECK: vector.store {{.*}}, vector<4x32xi32>
// The rows that fill no register are vectors throughout.
// CHECK: vector.contract {atom = "vpdpbusd"} {{.*}} into vector<{{[0-9]+}}x32xi32>
// CHECK: vector.store

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
func.func @tiles(%x: !layout.tensor<69 x 148 x i8>, %w: !layout.tensor<148 x 96 x i8, BA32b4a>) {
  %o = schedule.buffer output 0 : !layout.tensor<69 x 96 x i32>
  schedule.stage @tiles %o = kernel.gemm(%x, %w) unsigned [0]
  func.return
}
