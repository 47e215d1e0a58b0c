// RUN: lamina-opt %s | lamina-opt | filecheck %s

// CHECK: %{{.*}} = amx.tile_zero : !amx.tile<16x16xi32>
// CHECK: %{{.*}} = amx.tile_load %x[%{{.*}}, %{{.*}}] : memref<?x?xui8> into !amx.tile<16x64xui8>
// CHECK: %{{.*}} = amx.tile_load %w[%{{.*}}, %{{.*}}] : memref<?x?xi8> into !amx.tile<16x64xi8>
// CHECK: %{{.*}} = amx.tile_mul "tdpbusd" %{{.*}}, %{{.*}}, %{{.*}} : !amx.tile<16x64xui8>, !amx.tile<16x64xi8> into !amx.tile<16x16xi32>
// CHECK: amx.tile_store %{{.*}}, %y[%{{.*}}, %{{.*}}] : memref<?x?xi32>, !amx.tile<16x16xi32>
func.func @f(%x: memref<?x?xui8>, %w: memref<?x?xi8>, %y: memref<?x?xi32>, %i: index) {
  %zero = amx.tile_zero : !amx.tile<16x16xi32>
  %a = amx.tile_load %x[%i, %i] : memref<?x?xui8> into !amx.tile<16x64xui8>
  %b = amx.tile_load %w[%i, %i] : memref<?x?xi8> into !amx.tile<16x64xi8>
  %sums = amx.tile_mul "tdpbusd" %a, %b, %zero : !amx.tile<16x64xui8>, !amx.tile<16x64xi8> into !amx.tile<16x16xi32>
  amx.tile_store %sums, %y[%i, %i] : memref<?x?xi32>, !amx.tile<16x16xi32>
  func.return
}
