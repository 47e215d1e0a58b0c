"""What a schedule decides of attention."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation

from . import shape as dims
from .decision_fields import COLUMNS, FROM_ZERO, REGISTERS, Nest, decision
from .kernel import AttentionOp
from .masked_scores import is_masked
from .operand_layouts import lies_along
from .shape import Dim

_F32 = 4


@dataclass(frozen=True, kw_only=True)
class Attention(Nest):
    """Strips of queries (m) go through the keys (t): their scores stay in the cache until they weigh the values (n)."""

    OUTER = ("b", "m")

    strip: int = decision("queries of a strip, which lie in lanes while scores are computed", COLUMNS, says="m strip")
    rows: int = decision("queries of a register tile of the result", REGISTERS, says="m tile")
    columns: int = decision("columns of values in a register tile", COLUMNS, says="n tile")
    keys: int = decision("keys of a register tile of scores", REGISTERS, says="t tile")
    key_block: int = decision(
        "keys whose scores are there at a time, the softmax being corrected from block to block; 0 is all",
        FROM_ZERO,
        0,
        says="t block",
    )
    skip_lanes: int = decision(
        "keys that are looked at together for whether a mask leaves them out of a strip, at the beginning and the end; "
        "0: all are multiplied",
        range(65),
        0,
        says="t skip",
    )
    few_queries: int = decision(
        "as many at most go one by one, with lanes along the depth; 0: none", FROM_ZERO, 0, says="m few"
    )
    few_keys: int = decision("keys of a tile of scores with lanes along the depth", REGISTERS, 1, says="t few")
    depth_lanes: int = decision("lanes along the depth, and of vectors of their scores", REGISTERS, 1, says="k lanes")

    def conflict(self, kernel: Operation) -> str | None:
        if self.strip % self.rows:
            return f"{self.phrase('rows')} does not divide {self.phrase('strip')}"
        assert isinstance(kernel, AttentionOp)
        if self.skip_lanes and not is_masked(kernel):
            return f"{self.phrase('skip_lanes')}, but no mask leaves out keys"
        if self.few_queries and not all(lies_along(kernel.in_type(index), -1) for index in (0, 1)):
            return f"{self.phrase('few_queries')} needs queries and keys whose elements lie side by side"
        return super().conflict(kernel)

    def has_blocks(self, kernel: AttentionOp) -> bool:
        """Whether keys come in several blocks."""
        keys = kernel.in_type(1).dims[-2]
        return self.key_block > 0 and not (isinstance(keys, int) and keys <= self.key_block)

    def keys_at_once(self, kernel: AttentionOp) -> Dim:
        """Keys of a block, at most."""
        return self.key_block if self.has_blocks(kernel) else kernel.in_type(1).dims[-2]

    def scratch(self, kernel: Operation) -> Dim | None:
        """Queries of a strip, scores, sums of values, then numbers of each query: see ``places``.

        Of few queries scores and their sum, of all heads that share keys.
        """
        assert isinstance(kernel, AttentionOp)
        if not self.few_queries:
            return self.places(kernel)[-1]
        vectors = dims.ceildiv(kernel.in_type(1).dims[-2], self.depth_lanes)
        row = dims.multiply(dims.add(vectors, 1), self.depth_lanes)
        few = dims.multiply(dims.add(row, 1), kernel.group * _F32)
        rows = kernel.type.dims[-2]
        return few if isinstance(rows, int) and rows <= self.few_queries else dims.maximum(few, self.places(kernel)[-1])

    def places(self, kernel: AttentionOp) -> tuple[Dim, Dim, Dim, Dim, Dim]:
        """Bytes of scratch before each of them, and in all.

        Queries are [D, strip], scores [keys, strip], sums [panels, strip, columns], and the numbers two for a query.
        """
        depth, columns = kernel.in_type(0).dims[-1], kernel.type.dims[-1]
        panels = dims.multiply(dims.ceildiv(columns, self.columns), self.columns)
        at: list[Dim] = [0]
        for entries in (depth, self.keys_at_once(kernel), panels, 2):
            at.append(dims.add(at[-1], dims.multiply(entries, _F32 * self.strip)))
        return tuple(at)  # pyright: ignore[reportReturnType]
