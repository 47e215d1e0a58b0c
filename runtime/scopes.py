"""Checks that every symbol is bound where a program uses it: by its inputs, or by what a step before has given."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import ProgramError
from .expressions import is_symbol, symbols_of
from .program import ArrayType, Bind, Block, Call, Conditional, Host, Program, Repeat


def check_scopes(program: Program) -> None:
    """Raises ProgramError that names the place of the first symbol that nothing binds."""
    bound = _bound_by(tensor for _, tensor in program.inputs)
    for check in program.checks:
        _require(symbols_of(check.left, check.right), bound, f"check '{check.message}'")
    bound |= {room for segment in program.segments.values() for room in segment.rooms}
    _check_block(program, program.body, bound, "body")


def _bound_by(types: Iterable[ArrayType]) -> set[str]:
    return {size for tensor in types for size in tensor.shape if isinstance(size, str) and is_symbol(size)}


def _require(used: set[str], bound: set[str], where: str) -> None:
    if not used <= bound:
        raise ProgramError(f"{where}: nothing binds the symbols {sorted(used - bound)}")


def _check_block(program: Program, block: Block, outer: set[str], where: str) -> None:
    bound = set(outer)
    for index, step in enumerate(block.steps):
        place = f"{where} step {index}"
        if isinstance(step, Call):
            _require(set(program.segments[step.segment].symbols), bound, f"{place}: segment '{step.segment}'")
            continue
        if isinstance(step, Bind):
            bound |= {size for size in step.sizes if isinstance(size, str) and is_symbol(size)}
            _require(symbols_of(*step.sizes), bound, place)
            continue
        if isinstance(step, Conditional):
            _check_block(program, step.then_block, bound, f"{place} then")
            _check_block(program, step.else_block, bound, f"{place} else")
        elif isinstance(step, Repeat):
            _check_block(program, step.body, bound | _bound_by(step.body_input_types), f"{place} body")
        _check_results(step, bound, place)


def _check_results(step: Host | Conditional | Repeat, bound: set[str], where: str) -> None:
    """The types of results bind their symbols, all of them before any expression over these is looked at."""
    bound |= _bound_by(step.output_types)
    _require(symbols_of(*(size for tensor in step.output_types for size in tensor.shape)), bound, f"{where} results")
