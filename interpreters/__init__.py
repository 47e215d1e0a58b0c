"""What each level means, run in NumPy: the graph, kernels, the scalar code inside them, schedules and loops.

They are written for being right and readable; what passes and lowerings make is compared with them.
"""
