"""Arithmetic of register tiles, shared by the passes that choose layouts and tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..dialects import shape as dims
from ..dialects.block_decisions import takes_numbers
from ..dialects.conv_decisions import window_words
from ..dialects.kernel import BlockGemmOp, ConvOp, GemmOp
from ..dialects.multiplying import product_types
from ..dialects.operand_layouts import is_long_row
from ..dialects.shape import Dim
from ..machines.atoms import ATOMS, TILE_BAND, TILE_ROWS

if TYPE_CHECKING:
    from ..machines import Target
    from ..machines.atoms import Atom


def rows_in_registers(target: Target, vectors: int) -> int:
    """Rows of a register tile that is ``vectors`` registers wide, so that nothing spills."""
    vectors = max(vectors, 1)
    reserve = min(target.costs.loaded_ahead, target.vector_registers // 8)
    if not target.fma:
        reserve += vectors + 1  # Products of a row lie in registers of their own before they are added.
    return max(1, (target.vector_registers - vectors - reserve) // vectors)


def even_tile(extent: Dim, largest: int) -> int:
    """The tile size for an extent: the largest that divides it, unless that is below half of ``largest``.

    Then the size that spreads it evenly over the fewest tiles. An unknown extent gets ``largest``.
    """
    if not isinstance(extent, int):
        return largest
    for size in range(min(largest, extent), largest // 2, -1):
        if extent % size == 0:
            return size
    return -(-extent // -(-extent // largest)) if extent else 1


def row_tile(extent: Dim, largest: int, vectors: int, panel_bytes: int, target: Target) -> int:
    """Rows of a tile that is ``vectors`` registers wide, those that take the fewest cycles in all.

    As ``even_tile`` where that costs no more. All tiles read a panel of so many bytes.
    """
    even = even_tile(extent, largest)
    if not isinstance(extent, int):
        return even
    sizes = range(even, min(largest, max(extent, 1)) + 1)
    best = min(sizes, key=lambda rows: rows_cycles(extent, rows, vectors, panel_bytes, target))
    costs = [rows_cycles(extent, rows, vectors, panel_bytes, target) for rows in (best, even)]
    return best if costs[0] < 0.95 * costs[1] else even


def rows_cycles(extent: int, rows: int, vectors: int, panel_bytes: int, target: Target) -> float:
    """Of a step of all sums of ``extent`` rows in tiles, whose row of the panel comes from where that lies."""
    step = _step_cycles(rows, vectors, target)
    if panel_bytes > target.l1_bytes // 2:
        costs = target.costs
        is_near = panel_bytes <= target.l2_bytes
        bandwidth = costs.bytes_a_cycle_from_l2 if is_near else costs.bytes_a_cycle_beyond_l2
        step = max(step, vectors * target.vector_bytes / bandwidth)
    return -(-extent // rows) * step


def row_length(kernel: ConvOp) -> Dim:
    """Pixels in what the kernel sees as one row: the whole image of a 1x1 convolution."""
    return dims.product(kernel.type.dims[2:]) if is_long_row(kernel) else kernel.type.dims[-1]


def product_atom(kernel: GemmOp | ConvOp, target: Target) -> Atom | None:
    """The instruction for the kernel's products; None for the general one."""
    return target.atom_for(*product_types(kernel))


def lane_atom(kernel: ConvOp, target: Target) -> Atom | None:
    """The instruction for products lane by lane of integers that 16 bits hold; None for the general one."""
    atom = target.atom_for("i16", "i16", "i32")
    return atom if atom and atom.multiplies_widened(*product_types(kernel)) else None


def gemm_atom(kernel: GemmOp, target: Target) -> Atom | None:
    """As ``product_atom``, or one of whole matrices where these are filled."""
    tiles = target.atom_for(*product_types(kernel), tiles=True)
    return tiles if tiles is not None and fills_tiles(kernel, tiles) else product_atom(kernel, target)


def rows_atom(kernel: ConvOp, target: Target) -> Atom | None:
    """As ``product_atom``, or one of whole matrices where a direct or indirect convolution has rows that fill them."""
    atom, tiles = product_atom(kernel, target), target.atom_for(*product_types(kernel), tiles=True)
    return tiles if tiles is not None and _suits_tiles(kernel, tiles) else atom


def im2col_atom(kernel: ConvOp, target: Target) -> Atom | None:
    """As ``product_atom``, or one of whole matrices where output channels of a group and words fill these."""
    tiles = target.atom_for(*product_types(kernel), tiles=True)
    channels = dims.floordiv(kernel.type.dims[1], kernel.get("groups"))
    if tiles is None or not isinstance(kernel.in_type(1).dims[1], int):
        return product_atom(kernel, target)
    least = ((channels, TILE_ROWS), (window_words(kernel, tiles.depth), tiles.steps))
    fills = all(isinstance(size, int) and size >= enough for size, enough in least)
    return tiles if fills else product_atom(kernel, target)


def _suits_tiles(kernel: ConvOp, atom: Atom) -> bool:
    """Whether the pixels of an image of known size, the window and the output channels fill registers well enough."""
    w, y = kernel.in_type(1), kernel.type
    if not all(isinstance(size, int) for size in (*w.dims, *y.dims[1:])):
        return False
    words, channels = int(window_words(kernel, atom.depth)), int(y.dims[1]) // kernel.get("groups")
    is_blocked = kernel.get("algorithm") == "direct"
    if (kernel.get("groups") > 1 and channels % TILE_ROWS) or (is_blocked and int(w.dims[1]) < TILE_ROWS):
        return False
    least = ((int(dims.product(y.dims[2:])), TILE_ROWS), (channels, TILE_ROWS), (words, atom.steps))
    return all(size >= enough for size, enough in least)


MOST_STRIP_PIXELS = 128
"""Of a strip of pixels that registers of whole matrices multiply: enough to use what is loaded of a panel again."""


def tile_strip(rows: int, width: int, most: int) -> int:
    """Pixels of a strip of an image, whole rows or a part of one, that leave fewest lines of registers empty."""
    most = max(TILE_ROWS, min(most, MOST_STRIP_PIXELS) // TILE_ROWS * TILE_ROWS)
    if width > most // 2 and (rows == 1 or width > most):
        count = -(-width // most)
        return min(width, -(-width // count // TILE_ROWS) * TILE_ROWS)
    heights = range(1, min(rows, most // width) + 1)
    return width * min(heights, key=lambda height: (_lines(rows, height, width), -height))


def _lines(rows: int, height: int, width: int) -> int:
    """Lines of registers that strips of so many rows take, those that are empty too."""
    whole, rest = divmod(rows, height)
    return whole * -(-height * width // TILE_ROWS) + -(-rest * width // TILE_ROWS)


def fills_tiles(kernel: GemmOp, atom: Atom) -> bool:
    rows, columns, depth = gemm_rows(kernel), kernel.type.dims[-1], kernel.in_type(0).dims[-1]
    least = ((rows, TILE_ROWS), (columns, TILE_ROWS // 2), (depth, atom.steps * atom.depth))
    if any(isinstance(size, int) and size < enough for size, enough in least):
        return False
    a = kernel.in_type(0)
    return not kernel.get("transpose_a") and a.layout.pieces[-1].axis == a.rank - 1


def gemm_rows(kernel: GemmOp) -> Dim:
    """Rows that a product has: of each matrix of its batch, or of all of them where B is one matrix."""
    return dims.product(kernel.type.dims[:-1]) if kernel.in_type(1).rank == 2 else kernel.type.dims[-2]


def gemm_columns(kernel: GemmOp, target: Target) -> int:
    """Columns of a panel of B: the target's tile, or less where the last panel would be mostly empty."""
    preferred, size = target.gemm_tile[1], kernel.type.dims[-1]
    atom = gemm_atom(kernel, target)
    if atom is not None and atom.is_tile:
        return TILE_ROWS if isinstance(size, int) and size <= TILE_ROWS else TILE_BAND
    if not isinstance(size, int):
        return preferred
    vectors = max(1, -(-size // target.lanes))
    widest = min(preferred, vectors * target.lanes)
    if widest < vectors * target.lanes and _fits_one_panel(kernel, vectors, target):
        widest = vectors * target.lanes
    best, fewest_cycles = widest, float("inf")
    for width in range(widest, 0, -target.lanes):
        vectors = width // target.lanes
        rows = even_tile(gemm_rows(kernel), rows_in_registers(target, vectors))
        step = max(rows * vectors / target.fma_per_cycle, (rows + vectors) / 2, 4.0)
        cycles = -(-size // width) * step / rows
        if cycles < 0.97 * fewest_cycles:
            best, fewest_cycles = width, cycles
    return best


# Vectors in a row of the widest panel: more leave no register for the sums of a second row.
MOST_PANEL_VECTORS = 7


def _fits_one_panel(kernel: GemmOp, vectors: int, target: Target) -> bool:
    """Whether all columns fit one panel, so wide that a row of it serves few rows of a tile: it must stay in L1."""
    depth = kernel.in_type(0).dims[-1]
    if vectors > MOST_PANEL_VECTORS or not isinstance(depth, int):
        return False
    return _bytes(vectors * target.lanes * depth) <= target.l1_bytes


def block_columns(kernel: BlockGemmOp, target: Target) -> int:
    """Columns of a panel of numbers of few bits: two vectors, so that what a tile loads of a serves both."""
    size = kernel.type.dims[-1]
    return target.lanes if isinstance(size, int) and size <= target.lanes else 2 * target.lanes


def block_atom(kernel: BlockGemmOp, target: Target) -> Atom | None:
    """The instruction for a's integers of 8 bits times numbers of few bits, which may be said to have a sign or not."""
    if not kernel.get("int8"):
        return None
    atoms = (ATOMS[name] for name in target.atoms)
    return next((atom for atom in atoms if takes_numbers(atom, kernel.get("bits"))), None)


@dataclass(frozen=True)
class Im2colTile:
    """Rows (output channels of a group) and columns (pixels) of the register tile of an im2col convolution.

    ``packs``: columns are copied to a panel first; otherwise they are read from x where they lie.
    """

    rows: int
    columns: int
    packs: bool
    cycles: float
    """Estimated time of one step of the sum, a pixel and output channel."""


def im2col_tile(kernel: ConvOp, target: Target, depth: int = 1) -> Im2colTile:
    """The tile that takes the fewest cycles a pixel, for an atom that takes words of ``depth`` channels at once.

    Counts products, the loads that feed them, the packing and lanes beyond the last pixel: of the image where
    columns are packed, of each of its rows where they are read in place, which needs a stride of 1 and no words.
    """
    window = kernel.in_type(1).dims[2:]
    image = dims.product(kernel.type.dims[2:])
    is_pointwise = not any(kernel.get("pads")) and all(size == 1 for size in (*window, *kernel.get("strides")))
    choices = [_im2col_tile(kernel, depth, image, vectors, True, target) for vectors in (4, 3, 2, 1, 8, 6)]
    if depth == 1 and kernel.get("strides")[-1] == 1:
        pixels = image if is_pointwise else kernel.type.dims[-1]
        choices += [_im2col_tile(kernel, depth, pixels, vectors, False, target) for vectors in (4, 3, 2, 1, 6, 8)]
    best = choices[0]
    for choice in choices[1:]:
        if choice.cycles < 0.98 * best.cycles:
            best = choice
    return best


def _im2col_tile(kernel: ConvOp, depth: int, pixels: Dim, vectors: int, packs: bool, target: Target) -> Im2colTile:
    """A tile of that many vectors of columns, where ``pixels`` follow each other."""
    channels, words = dims.floordiv(kernel.type.dims[1], kernel.get("groups")), window_words(kernel, depth)
    width = vectors * target.lanes
    rows = even_tile(channels, rows_in_registers(target, vectors))
    count = channels if isinstance(channels, int) else rows
    tiles = -(-count // rows)
    costs = target.costs
    step = _step_cycles(rows, vectors, target)
    if _bytes(dims.multiply(words, kernel.type.dims[1])) > target.l2_bytes:
        step = max(step, 4.0 * rows / costs.bytes_a_cycle_beyond_l2)
    if packs:
        panel = _bytes(dims.multiply(words, width))
        if panel > target.l2_bytes * 3 // 4:
            step = max(step, vectors * target.vector_bytes / costs.bytes_a_cycle_beyond_l2)
        elif panel > target.l1_bytes // 2:
            step = max(step, vectors * target.vector_bytes / costs.bytes_a_cycle_from_l2)
        cycles = tiles * step + costs.packed_vector_cycles * vectors
    else:
        cycles = tiles * (step + costs.split_load_cycles * vectors) + costs.split_load_cycles * vectors
    computed = -(-pixels // width) * width / max(1, pixels) if isinstance(pixels, int) else 1.0
    return Im2colTile(rows, width, packs, cycles * computed / (width * max(1, count)))


def _step_cycles(rows: int, vectors: int, target: Target) -> float:
    """One step of all sums of a tile: the products, the loads that feed them, or the wait for the step before."""
    products = rows * vectors / target.fma_per_cycle
    return max(products, (rows + vectors) / target.costs.loads_per_cycle, target.costs.sum_latency)


def _bytes(elements: Dim) -> int:
    """Of fp32 numbers, or words of narrow ones; unknown ones are few."""
    return 4 * elements if isinstance(elements, int) else 0


def indirect_columns(kernel: ConvOp, target: Target) -> int:
    """Output channels in a panel of an indirect convolution's weights; 0 where no panel divides a group's channels."""
    groups = kernel.get("groups")
    channels = kernel.type.dims[1]
    if not isinstance(channels, int):
        return 0
    atom = rows_atom(kernel, target)
    if atom is not None and atom.is_tile and (groups == 1 or channels // groups % TILE_ROWS == 0):
        return TILE_ROWS if channels <= TILE_ROWS or (channels // groups % TILE_BAND and groups > 1) else TILE_BAND
    best, fewest_cycles = 0, float("inf")
    for vectors in (4, 3, 2, 1):
        width = vectors * target.lanes
        if groups > 1 and channels // groups % width:
            continue
        rows = min(rows_in_registers(target, vectors), target.costs.row_pointers)
        cycles = -(-channels // groups // width) * _step_cycles(rows, vectors, target) / rows
        if cycles < 0.98 * fewest_cycles:
            best, fewest_cycles = width, cycles
    return best


def tiles_along_height(height: Dim, width: Dim, largest: int) -> bool:
    """Whether register tiles of up to ``largest`` pixels lie better along an image's height: a narrow, long image."""
    if not isinstance(width, int) or width >= largest // 2:
        return False
    return not isinstance(height, int) or height > width
