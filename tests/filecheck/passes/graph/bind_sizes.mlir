// RUN: lamina-opt %s -p graph-bind-sizes --split-input-file | filecheck %s

// What is found is counted first.

func.func @main(%x: !graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64> {
  %0 = graph.nonzero %x : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>
  func.return %0 : !graph.tensor<1 x found x i64>
}

// CHECK:      %0 = graph.count_nonzero %x : (!graph.tensor<N x f32>) -> !graph.tensor<1 x i64>
// CHECK-NEXT: %1 = graph.bind_sizes %0 : (!graph.tensor<1 x i64>) -> !graph.tensor<found x i1>
// CHECK-NEXT: %2 = graph.nonzero %x : (!graph.tensor<N x f32>) -> !graph.tensor<1 x found x i64>

// -----

// A number of elements that is computed is read; one that is known in terms of sizes needs nothing.

func.func @main(%x: !graph.tensor<4 x N x f32>, %k: !graph.tensor<i64>) -> (!graph.tensor<4 x most x f32>, !graph.tensor<4 x N x i64>) {
  %0, %1 = graph.topk %x, %k axis 1 computed : (!graph.tensor<4 x N x f32>, !graph.tensor<i64>) -> (!graph.tensor<4 x most x f32>, !graph.tensor<4 x most x i64>)
  %2, %3 = graph.topk %x, %k axis 1 : (!graph.tensor<4 x N x f32>, !graph.tensor<i64>) -> (!graph.tensor<4 x N x f32>, !graph.tensor<4 x N x i64>)
  func.return %0, %3 : !graph.tensor<4 x most x f32>, !graph.tensor<4 x N x i64>
}

// CHECK:      %0 = graph.reshape %k : (!graph.tensor<i64>) -> !graph.tensor<1 x i64>
// CHECK-NEXT: %1 = graph.bind_sizes %0 : (!graph.tensor<1 x i64>) -> !graph.tensor<most x i1>
// CHECK-NEXT: %2, %3 = graph.topk %x, %k axis 1 computed
// CHECK-NEXT: %4, %5 = graph.topk %x, %k axis 1 :

// -----

// Boxes are kept class by class, then counted and listed; no class has more than are wanted.

func.func @main(%b: !graph.tensor<1 x N x 4 x f32>, %s: !graph.tensor<1 x 80 x N x f32>, %m: !graph.tensor<i64>, %t: !graph.tensor<f32>) -> !graph.tensor<rows x 3 x i64> {
  %0 = graph.non_max_suppression %b, %s, %m, %t, %t : (!graph.tensor<1 x N x 4 x f32>, !graph.tensor<1 x 80 x N x f32>, !graph.tensor<i64>, !graph.tensor<f32>, !graph.tensor<f32>) -> !graph.tensor<rows x 3 x i64>
  func.return %0 : !graph.tensor<rows x 3 x i64>
}

// CHECK:      %0, %1 = graph.suppress_boxes %b, %s, %m, %t, %t : {{.*}} -> (!graph.tensor<1 x 80 x N x i64>, !graph.tensor<1 x 80 x i64>)
// CHECK-NEXT: %2 = graph.reduce sum %1 axes [0, 1] : (!graph.tensor<1 x 80 x i64>) -> !graph.tensor<i64>
// CHECK-NEXT: %3 = graph.reshape %2
// CHECK-NEXT: %4 = graph.bind_sizes %3 : (!graph.tensor<1 x i64>) -> !graph.tensor<rows x i1>
// CHECK-NEXT: %5 = graph.list_boxes %0, %1

// -----

// Distinct columns: they are turned to rows; what is distinct is gathered from the tensor itself.

func.func @main(%x: !graph.tensor<4 x N x f32>) -> (!graph.tensor<4 x U x f32>, !graph.tensor<N x i64>, !graph.tensor<U x i64>) {
  %0, %1, %2, %3 = graph.unique %x axes [1] : (!graph.tensor<4 x N x f32>) -> (!graph.tensor<4 x U x f32>, !graph.tensor<U x i64>, !graph.tensor<N x i64>, !graph.tensor<U x i64>)
  func.return %0, %2, %3 : !graph.tensor<4 x U x f32>, !graph.tensor<N x i64>, !graph.tensor<U x i64>
}

// CHECK:      %0 = graph.transpose %x permutation [1, 0]
// CHECK:      %2, %3, %4, %5 = graph.find_distinct %{{.*}} : (!graph.tensor<N x 4 x f32>)
// CHECK-NEXT: %6 = graph.bind_sizes %5 : (!graph.tensor<1 x i64>) -> !graph.tensor<U x i1>
// CHECK-NEXT: %7 = graph.slice %2 axes [0] starts [0] ends [U] : (!graph.tensor<N x i64>) -> !graph.tensor<U x i64>
// CHECK-NEXT: %8 = graph.slice %4 axes [0] starts [0] ends [U] : (!graph.tensor<N x i64>) -> !graph.tensor<U x i64>
// CHECK-NEXT: %9 = graph.gather %x, %7 axis 1
// CHECK-NEXT: func.return %9, %3, %8

// -----

// Axes that a run gives say which sizes are left: of these the product must be that of the sizes of x.

func.func @main(%x: !graph.tensor<1 x N x f32>, %axes: !graph.tensor<1 x i64>) -> !graph.tensor<left x f32> {
  %0 = graph.dynamic_squeeze %x, %axes : (!graph.tensor<1 x N x f32>, !graph.tensor<1 x i64>) -> !graph.tensor<left x f32>
  func.return %0 : !graph.tensor<left x f32>
}

// CHECK:      graph.bind_sizes %{{.*}} : (!graph.tensor<1 x i64>) -> !graph.tensor<left x i1>
// CHECK:      graph.bind_sizes %{{.*}} : (!graph.tensor<1 x i64>) -> !graph.tensor<N x i1>
// CHECK-NEXT: %[[Y:.*]] = graph.reshape %x : (!graph.tensor<1 x N x f32>) -> !graph.tensor<left x f32>
// CHECK-NEXT: func.return %[[Y]]

// -----

func.func @main(%x: !graph.tensor<4 x N x f32>, %axes: !graph.tensor<1 x i64>) -> !graph.tensor<a x b x f32> {
  %0 = graph.dynamic_reduce sum %x, %axes keepdims : (!graph.tensor<4 x N x f32>, !graph.tensor<1 x i64>) -> !graph.tensor<a x b x f32>
  func.return %0 : !graph.tensor<a x b x f32>
}

// CHECK:      graph.bind_sizes %{{.*}} : (!graph.tensor<2 x i64>) -> !graph.tensor<a x b x i1>
// CHECK-NEXT: graph.reduce sum %x axes [0] keepdims
// CHECK:      graph.where
// CHECK-NEXT: graph.reduce sum %{{.*}} axes [1] keepdims
// CHECK:      graph.where
// CHECK-NEXT: graph.concat
// CHECK-NEXT: graph.slice %{{.*}} axes [0, 1] starts [0, 0] ends [a, b]

// -----

// Places along an axis follow from bounds that a run gives; what lies there is gathered. Axes are known.

func.func @main(%x: !graph.tensor<4 x N x f32>, %s: !graph.tensor<1 x i64>, %e: !graph.tensor<1 x i64>) -> !graph.tensor<4 x length x f32> {
  %axes = graph.dim_values [-1] : !graph.tensor<1 x i64>
  %0 = graph.dynamic_slice %x, %s, %e, %axes, %s : (!graph.tensor<4 x N x f32>, !graph.tensor<1 x i64>, !graph.tensor<1 x i64>, !graph.tensor<1 x i64>, !graph.tensor<1 x i64>) -> !graph.tensor<4 x length x f32>
  func.return %0 : !graph.tensor<4 x length x f32>
}

// CHECK:      graph.dim_values [N]
// CHECK:      graph.bind_sizes %{{.*}} : (!graph.tensor<1 x i64>) -> !graph.tensor<length x i1>
// CHECK-NEXT: graph.iota : !graph.tensor<length x i64>
// CHECK:      %[[PLACES:.*]] = graph.add
// CHECK-NEXT: graph.gather %x, %[[PLACES]] axis 1 : {{.*}} -> !graph.tensor<4 x length x f32>

// -----

func.func @main(%a: !graph.tensor<i32>, %b: !graph.tensor<i32>) -> !graph.tensor<count x i32> {
  %0 = graph.range %a, %b, %a : (!graph.tensor<i32>, !graph.tensor<i32>, !graph.tensor<i32>) -> !graph.tensor<count x i32>
  func.return %0 : !graph.tensor<count x i32>
}

// CHECK:      graph.bind_sizes %{{.*}} : (!graph.tensor<1 x i64>) -> !graph.tensor<count x i1>
// CHECK-NEXT: %[[PLACES:.*]] = graph.iota : !graph.tensor<count x i32>
// CHECK-NEXT: %[[STEPS:.*]] = graph.mul %[[PLACES]], %a
// CHECK-NEXT: graph.add %[[STEPS]], %a

// -----

// A size of 1 in a shape is that of x.

func.func @main(%x: !graph.tensor<1 x N x f32>, %s: !graph.tensor<2 x i64>) -> !graph.tensor<rows x N x f32> {
  %0 = graph.dynamic_expand %x, %s : (!graph.tensor<1 x N x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<rows x N x f32>
  func.return %0 : !graph.tensor<rows x N x f32>
}

// CHECK:      graph.dim_values [1, N]
// CHECK:      %[[SIZES:.*]] = graph.where
// CHECK-NEXT: graph.bind_sizes %[[SIZES]] : (!graph.tensor<2 x i64>) -> !graph.tensor<rows x N x i1>
// CHECK-NEXT: graph.broadcast_to %x

// -----

// What pads cut away is sliced, and what they add is padded, by as much as only a run gives.

func.func @main(%x: !graph.tensor<N x f32>, %v: !graph.tensor<f32>, %p: !graph.tensor<2 x i64>) -> !graph.tensor<length x f32> {
  %0 = graph.dynamic_pad %x, %v, %p mode edge : (!graph.tensor<N x f32>, !graph.tensor<f32>, !graph.tensor<2 x i64>) -> !graph.tensor<length x f32>
  func.return %0 : !graph.tensor<length x f32>
}

// CHECK:      graph.bind_sizes %{{.*}} : (!graph.tensor<4 x i64>) -> !graph.tensor<cut_before_0 x kept_0 x pad_before_0 x length x i1>
// CHECK-NEXT: %[[KEPT:.*]] = graph.slice %x axes [0] starts [cut_before_0] ends [cut_before_0 + kept_0]
// CHECK-NEXT: graph.pad %[[KEPT]], %v mode edge pads [pad_before_0, length - kept_0 - pad_before_0] : {{.*}} -> !graph.tensor<length x f32>

// -----

// No element can be made of an axis without elements.

func.func @main(%x: !graph.tensor<1 x 3 x H x W x f32>, %s: !graph.tensor<2 x i64>) -> !graph.tensor<1 x 3 x h x w x f32> {
  %0 = graph.dynamic_resize linear %x, %s axes [2, 3] : (!graph.tensor<1 x 3 x H x W x f32>, !graph.tensor<2 x i64>) -> !graph.tensor<1 x 3 x h x w x f32>
  func.return %0 : !graph.tensor<1 x 3 x h x w x f32>
}

// CHECK:      graph.equal
// CHECK:      %[[SIZES:.*]] = graph.where
// CHECK-NEXT: graph.bind_sizes %[[SIZES]] : (!graph.tensor<2 x i64>) -> !graph.tensor<h x w x i1>
// CHECK-NEXT: graph.resize linear %x : {{.*}} -> !graph.tensor<1 x 3 x h x w x f32>
