"""What work costs on a class of machines: the numbers by which passes rank algorithms, tiles and layouts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Costs:
    """Of one core. Estimates made of them rank choices, and are no promise of time.

    ``..._share``: which part of the peak an algorithm's products reach, transforms and packing apart. ``..._cycles``:
    what a vector of columns costs beside its products. Bandwidths are in bytes a second, or a cycle.
    """

    gigahertz: float
    depthwise_share: float
    im2col_share: float
    indirect_share: float
    winograd_share: float
    widened_share: float
    """Of integers that are widened one by one before they are multiplied."""
    tile_speed: float
    """Of registers of whole matrices, over vectors that multiply words of the same width."""
    indirect_row_channels: float
    """Finding the rows of a tap of an indirect convolution costs about as much as so many channels of it."""

    sum_latency: float
    """Cycles that a sum waits for its last step."""
    loads_per_cycle: float
    loaded_ahead: int
    """Registers kept free beside the sums and one row of B: LLVM's scheduler loads that many columns of A ahead."""
    row_pointers: int
    """Rows of a tile that have a pointer of their own, each in a general register."""

    lane_sum_cycles: float
    """Of adding up the lanes of a sum, where several sums are added up together."""
    lane_sums_latency: float
    """Until the first of them is there, and the next tile begun."""

    packed_vector_cycles: float
    """Copied to a panel first."""
    split_load_cycles: float
    """Read in place by each row tile, across cache lines, and once more for finding it."""

    bytes_a_cycle_from_l2: float
    bytes_a_cycle_beyond_l2: float
    layout_change_bandwidth: float
    transform_bandwidth: float
    """Winograd's transforms, in L2."""
    near_weight_bandwidth: float
    """Transformed weights that a quarter of L3 holds."""
    far_weight_bandwidth: float
