"""kernel.tree_ensemble: rows go down a tree together, as lanes of a vector.

::

    for blocks of rows, shared
      for tiles of rows:  for all trees:  go down from the root;  total[targets][row] += weights[leaf]
      copy the totals of the block into the result
      for each row that is left over:  for tiles of trees:  go down from the roots;  result[row] += weights[leaves]

    go down:  while any lane moves, a few levels at a time
                word = words[node];  value = x[row][feature of word]
                node = node + distance of word + (value <= thresholds[node], or > where the word says so)

Trees go outside of the tiles of a block, so that each is read from the innermost cache for all rows of the block.

Decisions: ``lanes`` of a vector; ``unroll`` vectors in a tile; ``levels`` between two looks; ``tiles`` in a block.
"""

from __future__ import annotations

from collections.abc import Callable

from xdsl.dialects import arith
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, IntegerType
from xdsl.ir import SSAValue

from ...dialects import vector_extension as vectorx
from ...dialects.schedule import StageOp
from ...dialects.shared_attributes import vector_type
from ...dialects.tree_decisions import TreeEnsemble
from ...dialects.tree_kernel import TreeEnsembleOp
from .arithmetic import any_lane, combine, compare, convert, identity, index_as, reduce_lanes, select
from .elementwise import operand_positions
from .loop_nest import Index, LoopNest, Tensor

Go = Callable[[SSAValue], SSAValue]


def lower_tree_ensemble(stage: StageOp, nest: LoopNest) -> None:
    kernel = stage.kernel
    assert isinstance(kernel, TreeEnsembleOp)
    _TreeEnsemble(stage, nest, kernel).lower()


class _TreeEnsemble:
    def __init__(self, stage: StageOp, nest: LoopNest, kernel: TreeEnsembleOp):
        self.nest, self.kernel = nest, kernel
        self.x, self.thresholds, self.words, self.weights, self.roots = (
            nest.operands[position] for position in operand_positions(stage)
        )
        self.result = nest.operands[-1]
        self.decisions = stage.decided(TreeEnsemble)
        self.kind, self.total = kernel.get("kind"), self.result.element_type
        word = self.words.element_type
        assert isinstance(word, IntegerType)
        self.word, self.largest = word, (1 << word.width.data - 1) - 1
        self.rows, self.features, self.targets = (
            nest.dim(size) for size in (self.x.dims[0], self.x.dims[1], self.result.dims[1])
        )
        self.groups, self.trees, self.width = (nest.dim(size) for size in (*self.roots.dims, self.weights.dims[1]))

    def lower(self) -> None:
        nest, block = self.nest, self.decisions.block
        with nest.forall([nest.ceildiv(self.rows, block)]) as (number,):
            first = nest.mul(number, block)
            count = nest.minimum(nest.sub(self.rows, first), block)
            tiles = nest.floordiv(count, self.decisions.rows)
            self._many_rows(first, tiles)
            with nest.loop(nest.mul(tiles, self.decisions.rows), count) as rest:
                self._one_row(nest.add(first, rest.index))

    # --- rows in lanes ----------------------------------------------------------------------------------

    def _many_rows(self, first: Index, tiles: Index) -> None:
        """The tiles of a block, from row ``first`` on."""
        nest, rows = self.nest, self.decisions.rows
        totals = nest.scratch_array(self.total, 0, [self.targets, self.decisions.block])
        start = nest.constant(identity(self.kind, self.total), vector_type(self.total, [rows]))
        with nest.loops([self.targets, tiles]) as (target, tile):
            nest.store_vector(start, totals, [target, nest.mul(tile, rows)])
        with nest.loops([self.groups, self.trees, tiles]) as (group, tree, tile):
            row = nest.mul(tile, rows)
            leaves = self._reached_by_rows(self._root(group, tree), nest.add(first, row))
            with nest.loop(0, self.width) as column:
                at = [nest.add(nest.mul(group, self.width), column.index), row]
                held = self._held(leaves, column.index)
                before = nest.load_vector(totals, at, [rows])
                nest.store_vector(combine(nest, self.kind, before, held), totals, at)
        with nest.loops([self.targets, nest.mul(tiles, rows)]) as (target, row):
            value = nest.load(totals, [target, row])
            nest.store(value, self._results(nest.add(first, row)), [target])

    def _root(self, group: Index, tree: Index) -> SSAValue:
        nest = self.nest
        offset = nest.add(self.roots.origin, nest.add(nest.mul(group, self.trees), tree))
        return convert(nest, nest.load(nest.view(self.roots.memory, offset, [1], [1]), [0]), self.word)

    def _reached_by_rows(self, root: SSAValue, row: Index) -> SSAValue:
        """The leaves that the rows of a tile, from ``row`` on, reach from a node."""
        nest, rows = self.nest, self.decisions.rows
        x = self._flat(self.x, nest.mul(row, self.features), nest.mul(rows, self.features))
        lanes = nest.insert(arith.MuliOp(self._counting(rows), self._spread(self.features, rows)))
        return self._reached(
            nest.broadcast(root, [rows]), lambda feature: self._gather(x, nest.insert(arith.AddiOp(feature, lanes)))
        )

    # --- trees in lanes ---------------------------------------------------------------------------------

    def _one_row(self, row: Index) -> None:
        nest, at_once = self.nest, self.decisions.rows
        assert isinstance(self.trees, int)
        result = self._results(row)
        x = self._flat(self.x, nest.mul(row, self.features), self.features)
        start = nest.constant(identity(self.kind, self.total), self.total)
        with nest.loop(0, self.targets) as target:
            nest.store(start, result, [target.index])
        whole = self.trees // at_once
        with nest.loops([self.groups, whole]) as (group, tile):
            self._add_trees(x, result, group, nest.mul(tile, at_once), at_once, at_once)
        rest = self.trees - whole * at_once
        if rest:
            lanes = -(-rest // self.decisions.lanes) * self.decisions.lanes
            with nest.loop(0, self.groups) as group:
                self._add_trees(x, result, group.index, whole * at_once, rest, lanes)

    def _add_trees(self, x: SSAValue, result: SSAValue, group: Index, first: Index, count: int, lanes: int) -> None:
        """``count`` trees of a group from ``first`` on; the lanes beyond go down the first tree and do not count."""
        nest = self.nest
        offset = nest.add(self.roots.origin, nest.add(nest.mul(group, self.trees), first))
        mask = nest.mask([lanes], [count]) if count < lanes else None
        roots = nest.load_vector(nest.view(self.roots.memory, offset, [lanes], [1]), [0], [lanes], mask)
        leaves = self._reached(convert(nest, roots, self.word), lambda feature: self._gather(x, feature))
        with nest.loop(0, self.width) as column:
            held = self._held(leaves, column.index)
            if mask is not None:
                held = select(nest, mask, held, nest.constant(identity(self.kind, self.total), held.type))
            target = nest.add(nest.mul(group, self.width), column.index)
            sum_ = combine(nest, self.kind, nest.load(result, [target]), reduce_lanes(nest, self.kind, held))
            nest.store(sum_, result, [target])

    # --- down a tree ------------------------------------------------------------------------------------

    def _reached(self, nodes: SSAValue, values: Go) -> SSAValue:
        """The leaves that lanes reach from these nodes; ``values`` are those of each lane's feature."""
        nest, levels = self.nest, self.decisions.levels
        depth = self.kernel.get("depth")
        if depth <= levels:
            return self._down(nodes, depth, values)
        nodes = self._down(nodes, levels, values)
        with nest.loop(1, -(-depth // levels), carried=[nodes]) as loop:
            (here,) = loop.carried
            distance = self._distance(self._gather(self._nodes(self.words), here))
            moves = any_lane(nest, compare(nest, "ne", distance, nest.constant(0, distance.type)))
            loop.yield_(nest.choose(moves, lambda: self._down(here, levels, values), lambda: here))
        return loop.results[0]

    def _down(self, nodes: SSAValue, levels: int, values: Go) -> SSAValue:
        with self.nest.loop(0, levels, carried=[nodes]) as loop:
            loop.yield_(self._next(loop.carried[0], values))
        return loop.results[0]

    def _next(self, nodes: SSAValue, values: Go) -> SSAValue:
        nest = self.nest
        word = self._gather(self._nodes(self.words), nodes)
        threshold = self._gather(self._nodes(self.thresholds), nodes)
        feature_mask = nest.constant((1 << self.kernel.get("feature_bits")) - 1, word.type)
        value = values(nest.insert(arith.AndIOp(word, feature_mask)))
        passes = compare(nest, "ole", value, threshold)
        if self.kernel.get("both_ways"):
            is_greater = compare(nest, "slt", word, nest.constant(0, word.type))
            passes = select(nest, is_greater, compare(nest, "ogt", value, threshold), passes)
        child = nest.insert(arith.AddiOp(nodes, self._distance(word)))
        return nest.insert(arith.AddiOp(child, convert(nest, passes, self.word)))

    def _distance(self, word: SSAValue) -> SSAValue:
        """How far behind a node its first child lies."""
        nest = self.nest
        if self.kernel.get("both_ways"):
            word = nest.insert(arith.AndIOp(word, nest.constant(self.largest, word.type)))
        return nest.insert(arith.ShRUIOp(word, nest.constant(self.kernel.get("feature_bits"), word.type)))

    def _held(self, leaves: SSAValue, column: Index) -> SSAValue:
        """What leaves hold in a column of the weights."""
        nest = self.nest
        lanes = leaves.type.get_shape()[0]  # pyright: ignore[reportAttributeAccessIssue]
        if self.width != 1:
            leaves = nest.insert(arith.MuliOp(leaves, self._spread(self.width, lanes)))
        weights = self.weights
        flat = self._flat(weights, column, nest.sub(nest.mul(nest.dim(weights.dims[0]), self.width), column))
        return self._gather(flat, leaves)

    # --- memory -----------------------------------------------------------------------------------------

    def _flat(self, tensor: Tensor, offset: Index, size: Index) -> SSAValue:
        return self.nest.view(tensor.memory, self.nest.add(tensor.origin, offset), [size], [1])

    def _nodes(self, tensor: Tensor) -> SSAValue:
        return self._flat(tensor, 0, self.nest.dim(tensor.dims[0]))

    def _results(self, row: Index) -> SSAValue:
        return self._flat(self.result, self.nest.mul(row, self.targets), self.targets)

    def _gather(self, memory: SSAValue, places: SSAValue) -> SSAValue:
        return self.nest.insert(vectorx.GatherOp(memory, places))

    def _counting(self, lanes: int) -> SSAValue:
        """0, 1, 2 ..."""
        type_ = vector_type(self.word, [lanes])
        return self.nest.insert(arith.ConstantOp(DenseIntOrFPElementsAttr.from_list(type_, list(range(lanes))), type_))

    def _spread(self, index: Index, lanes: int) -> SSAValue:
        return self.nest.broadcast(index_as(self.nest, index, self.word), [lanes])
