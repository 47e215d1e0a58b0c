// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512_amx}' | filecheck %s
// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=aarch64_neon}' | filecheck %s --check-prefix ARM
// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx2}' | filecheck %s --check-prefix STACK

// Pieces are looked up together: 64 bytes by two instructions, of which the sign chooses; 16 by four.

// CHECK-LABEL: @rows
// CHECK-COUNT-2: vpermi2var.qi.512
// CHECK-NOT:     vpermi2var
// ARM-LABEL: @rows
// ARM:         neon.tbl4.v16i8
// ARM-COUNT-3: neon.tbx4.v16i8
// ARM:         neon.tbl4.v16i8

// Where no instruction does, bytes are loaded from the stack one by one.

// STACK-LABEL: @rows
// STACK:          llvm.alloca
// STACK-COUNT-64: llvm.zext
func.func @rows(%x: memref<?xi8>, %y: memref<?xi8>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%c0] : memref<?xi8>, vector<64xi8>
  %0 = vectorx.byte_table %v, "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0dfdedddcdbdad9d8d7d6d5d4d3d2d1d0cfcecdcccbcac9c8c7c6c5c4c3c2c1c0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0afaeadacabaaa9a8a7a6a5a4a3a2a1a09f9e9d9c9b9a999897969594939291908f8e8d8c8b8a898887868584838281807f7e7d7c7b7a797877767574737271706f6e6d6c6b6a696867666564636261605f5e5d5c5b5a595857565554535251504f4e4d4c4b4a494847464544434241403f3e3d3c3b3a393837363534333231302f2e2d2c2b2a292827262524232221201f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100" : vector<64xi8>
  vector.store %0, %y[%c0] : memref<?xi8>, vector<64xi8>
  func.return
}
