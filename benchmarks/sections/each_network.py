"""What every section does with a list of networks: one that fails is a row that says so."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from typing import Any

from ..networks import Network

Row = dict[str, Any]


def rows_of_each(
    networks: Iterable[Network], measure: Callable[[Network], list[Row]], progress: Callable[[Row], None]
) -> list[Row]:
    """The rows that ``measure`` gives of all networks; ``progress`` is called with the last of each network."""
    rows: list[Row] = []
    for network in networks:
        try:
            found = measure(network)
        except Exception as error:  # One network that fails must not hide the figures of the others.
            found = [{"network": network.name, "failure": f"{type(error).__name__}: {error}"}]
        rows += found
        progress(found[-1])
        gc.collect()
    return rows
