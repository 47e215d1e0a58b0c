"""What work costs on a core of a processor of today, as measured on AVX-512."""

from ..costs import Costs

CPU_COSTS = Costs(
    gigahertz=3.6,
    depthwise_share=0.6,
    im2col_share=0.95,
    indirect_share=0.97,
    winograd_share=0.9,
    widened_share=0.5,
    tile_speed=4.0,
    indirect_row_channels=2,
    sum_latency=4.0,
    loads_per_cycle=2.0,
    loaded_ahead=4,
    row_pointers=8,
    lane_sum_cycles=4.0,
    lane_sums_latency=20.0,
    packed_vector_cycles=4.0,
    split_load_cycles=0.5,
    bytes_a_cycle_from_l2=24.0,
    bytes_a_cycle_beyond_l2=8.0,
    layout_change_bandwidth=10e9,
    transform_bandwidth=60e9,
    near_weight_bandwidth=90e9,
    far_weight_bandwidth=18e9,
)
