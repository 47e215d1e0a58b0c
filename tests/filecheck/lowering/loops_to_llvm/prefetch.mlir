// RUN: lamina-opt %s -p 'lower-loops-to-llvm{target=avx512}' | filecheck %s
// RUN: lamina-opt %s --machine avx512 -p lower-loops-to-llvm -t asm | filecheck %s --check-prefix X86
// RUN: lamina-opt %s --machine aarch64_neon -p lower-loops-to-llvm -t asm | filecheck %s --check-prefix ARM

// CHECK: %[[READ:.*]] = llvm.mlir.constant(0 : i32)
// CHECK: llvm.call_intrinsic "llvm.prefetch.p0"
// X86: prefetcht1
// ARM: prfm{{[[:space:]]}}pldl2keep
func.func @fetch(%x: memref<?xf32>, %scratch: memref<?xi8>, %thread: index, %threads: index) attributes {lamina.kernel} {
  memref.prefetch %x[%thread], read, locality<2>, data : memref<?xf32>
  func.return
}
