"""Processors: the families of their instruction sets, a file each, and this machine."""
