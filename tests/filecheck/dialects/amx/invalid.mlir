// RUN: lamina-opt %s --split-input-file --parsing-diagnostics --verify-diagnostics | filecheck %s

// CHECK: a tile of bf16 is 16x32, not 16x64
%0 = "test.op"() : () -> !amx.tile<16x64xbf16>

// -----

%x, %i = "test.op"() : () -> (memref<?x?xi8>, index)
// CHECK: C1: a !amx.tile<16x64xi8> does not lie in memref<?x?xi8> at 1 indices
%0 = amx.tile_load %x[%i] : memref<?x?xi8> into !amx.tile<16x64xi8>

// -----

%a, %b, %sums = "test.op"() : () -> (!amx.tile<16x64xi8>, !amx.tile<16x64xi8>, !amx.tile<16x16xi32>)
// CHECK: C1: tdpbusd adds ui8 times i8 to i32
%0 = amx.tile_mul "tdpbusd" %a, %b, %sums : !amx.tile<16x64xi8>, !amx.tile<16x64xi8> into !amx.tile<16x16xi32>

// -----

%a, %b, %sums = "test.op"() : () -> (!amx.tile<16x64xui8>, !amx.tile<16x64xi8>, !amx.tile<16x16xi32>)
// CHECK: C1: no atom of tiles is called 'vpdpbusd'
%0 = amx.tile_mul "vpdpbusd" %a, %b, %sums : !amx.tile<16x64xui8>, !amx.tile<16x64xi8> into !amx.tile<16x16xi32>
