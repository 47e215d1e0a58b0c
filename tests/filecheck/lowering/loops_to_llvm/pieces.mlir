// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512}' | filecheck %s --check-prefixes CHECK,AVX512
// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx2}' | filecheck %s --check-prefixes CHECK,AVX2
// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=x86_64}' | filecheck %s --check-prefixes CHECK,SSE2

// 21 elements are 16 + 4 + 1, 8 + 8 + 4 + 1, or 5 * 4 + 1.
// CHECK-LABEL: @ragged.body
// AVX512: llvm.load %{{.*}} -> vector<16xf32>
// AVX512: llvm.load %{{.*}} -> vector<4xf32>
// AVX512: llvm.load %{{.*}} -> f32
// AVX2-COUNT-2: llvm.load %{{.*}} -> vector<8xf32>
// AVX2: llvm.load %{{.*}} -> vector<4xf32>
// AVX2: llvm.load %{{.*}} -> f32
// SSE2-COUNT-5: llvm.load %{{.*}} -> vector<4xf32>
// SSE2: llvm.load %{{.*}} -> f32
func.func @ragged(%x: memref<?xf32>, %y: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %t = vector.load %x[%c0] : memref<?xf32>, vector<21xf32>
  vector.store %t, %y[%c0] : memref<?xf32>, vector<21xf32>
  func.return
}

// Masks: full pieces take plain loads, empty ones none at all; only the one that the edge cuts is masked. Without an
// instruction for it, lanes that are off read and write a spare slot on the stack.
// CHECK-LABEL: @masked.body
// AVX512: llvm.load %{{.*}} -> vector<16xf32>
// AVX512: llvm.call_intrinsic "llvm.masked.load.v16f32.p0"
// AVX512-NOT: masked.load
// AVX2: llvm.load %{{.*}} -> vector<8xf32>
// AVX2: llvm.call_intrinsic "llvm.masked.load.v8f32.p0"
// SSE2: llvm.select %{{.*}}, %{{.*}}, %{{.*}} : i1, !llvm.ptr
// CHECK: llvm.return
func.func @masked(%x: memref<?xf32>, %y: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %n = arith.constant 19 : index
  %zero = arith.constant 0.0 : f32
  %m = vector.create_mask %n : vector<48xi1>
  %t = vector.transfer_read %x[%c0], %zero, %m {in_bounds = [true]} : memref<?xf32>, vector<48xf32>
  vector.transfer_write %t, %y[%c0], %m {in_bounds = [true]} : vector<48xf32>, memref<?xf32>
  func.return
}

// A transposed read loads rows and shuffles: 4 x 4 takes two rounds of four.
// CHECK-LABEL: @transposed.body
// CHECK-COUNT-4: llvm.load %{{.*}} -> vector<4xf32>
// CHECK-COUNT-8: llvm.shufflevector
// CHECK-NOT: llvm.shufflevector
// CHECK: llvm.return
func.func @transposed(%x: memref<?xf32>, %y: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %v = memref.reinterpret_cast %x to offset: [0], sizes: [4, 4], strides: [4, 1] : memref<?xf32> to memref<4x4xf32, strided<[4, 1]>>
  %w = memref.reinterpret_cast %y to offset: [0], sizes: [4, 4], strides: [4, 1] : memref<?xf32> to memref<4x4xf32, strided<[4, 1]>>
  %t = vector.transfer_read %v[%c0, %c0], %zero {in_bounds = [true, true], permutation_map = affine_map<(d0, d1) -> (d1, d0)>} : memref<4x4xf32, strided<[4, 1]>>, vector<4x4xf32>
  vector.store %t, %w[%c0, %c0] : memref<4x4xf32, strided<[4, 1]>>, vector<4x4xf32>
  func.return
}

// The larger of a number and a value that may be NaN is one comparison, in the order that keeps the NaN.
// CHECK-LABEL: @relu.body
// CHECK: %[[X:.*]] = llvm.load %{{.*}} -> vector<4xf32>
// CHECK: %[[C:.*]] = llvmx.fcmp "ogt" %[[ZERO:.*]], %[[X]] : vector<4xf32> -> vector<4xi1>
// CHECK-NEXT: llvmx.select %[[C]], %[[ZERO]], %[[X]]
// CHECK-NOT: llvmx.fcmp
// CHECK: llvm.return
func.func @relu(%x: memref<?xf32>, %y: memref<?xf32>, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant dense<0.0> : vector<4xf32>
  %t = vector.load %x[%c0] : memref<?xf32>, vector<4xf32>
  %r = arith.maximumf %t, %zero : vector<4xf32>
  vector.store %r, %y[%c0] : memref<?xf32>, vector<4xf32>
  func.return
}

// Truth values are bytes in memory, and read and written as such where masks take bytes.
// CHECK-LABEL: @truths.body
// AVX512: llvm.call_intrinsic "llvm.masked.load.v16i8.p0"
// AVX512: llvm.icmp "ne" %{{.*}} : vector<16xi8>
// AVX512: llvm.zext %{{.*}} : vector<16xi1> to vector<16xi8>
// AVX512: llvm.call_intrinsic "llvm.masked.store.v16i8.p0"
// AVX2: llvm.select %{{.*}}, %{{.*}}, %{{.*}} : i1, !llvm.ptr
// CHECK: llvm.return
func.func @truths(%x: memref<?xi1>, %y: memref<?xi1>, %n: index, %thread: index, %threads: index) attributes {lamina.kernel} {
  %c0 = arith.constant 0 : index
  %false = arith.constant false
  %m = vector.create_mask %n : vector<16xi1>
  %t = vector.transfer_read %x[%c0], %false, %m {in_bounds = [true]} : memref<?xi1>, vector<16xi1>
  vector.transfer_write %t, %y[%c0], %m {in_bounds = [true]} : vector<16xi1>, memref<?xi1>
  func.return
}
