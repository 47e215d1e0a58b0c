"""The house rules: who may import whom, what must be registered, documented and covered by a test of its name."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from lamina.pipeline import PHASES, Phase, phase_passes
from lamina.universe import DIALECTS, LOWERINGS, OUTPUTS, PASSES, UNIVERSE

ROOT = Path(__file__).parents[2]
FILECHECK = ROOT / "tests" / "filecheck"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_SHIPPED = {"tests", "benchmarks", "docs", "build", "dist"}


def package_folders() -> Iterator[Path]:
    """Folders with an ``__init__.py`` that are part of the wheel."""
    for init in sorted(ROOT.rglob("__init__.py")):
        parts = init.relative_to(ROOT).parts[:-1]
        if not parts or (parts[0] not in NOT_SHIPPED and not parts[0].startswith(".")):
            yield init.parent


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("lamina", *(parts[:-1] if parts[-1] == "__init__" else parts)))


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def own_modules() -> dict[str, Path]:
    """Every module of the package, by its full name."""
    folders = [ROOT, *package_folders()]
    return {module_name(path): path for folder in folders for path in folder.glob("*.py")}


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module imported anywhere in the file, relative ones made absolute, with the line. Type-only ones count."""
    package = module_name(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(syntax(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join(base + (node.module.split(".") if node.module else []))
            for alias in node.names:
                inside = f"{module}.{alias.name}"
                yield (inside if inside in own_modules() else module), node.lineno


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def forbidden(folder: str, *packages: str) -> list[str]:
    """Imports in the folder of modules in any of the packages, as file:line."""
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources(folder)
        for module, line in imports(path)
        if within(module, *packages)
    ]


# --- who imports whom -----------------------------------------------------------------------------------


# Each room of the package knows those before it in this list, and none of those after it. Modules at the root are rooms
# too; the package's own (`__init__.py`) offers what users import.
ROOMS = (
    "reference", "runtime", "errors", "external_files", "machines", "dialects", "universe", "context",
    "interpreters", "frontend", "lowering", "passes", "cache", "backend",
    "pipeline", "compiler", "quantization", "custom_operators", "replacement", "as_onnxruntime", "onnx_backend",
    "lamina", "verification", "cli",
)  # fmt: skip


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def test_every_room_has_its_place() -> None:
    assert {room_of(module) for module in own_modules()} == set(ROOMS)


def test_rooms_import_only_what_lies_beneath_them() -> None:
    upward = [
        f"{path.relative_to(ROOT)}:{line} imports {imported}"
        for module, path in own_modules().items()
        for imported, line in imports(path)
        if within(imported, "lamina") and ROOMS.index(room_of(imported)) > ROOMS.index(room_of(module))
    ]
    assert not upward


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Neither when it runs nor for types: two modules that need each other are one, or lack a third beneath them."""
    graph = {
        module: {imported for imported, _ in imports(path) if imported in own_modules()} - {module}
        for module, path in own_modules().items()
    }
    TopologicalSorter(graph).prepare()  # A CycleError names the modules.


def class_names(path: Path) -> Iterator[str]:
    """The public classes of a file; that of an operation stands behind its dialect, as in ``graph.conv``."""
    for node in syntax(path).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            named = (s.value for s in node.body if isinstance(s, ast.Assign) and ast.unparse(s.targets[0]) == "name")
            texts = (value.value for value in named if isinstance(value, ast.Constant))
            dialect = next((str(text).partition(".")[0] for text in texts if "." in str(text)), "")
            yield f"{dialect}.{node.name}" if dialect else node.name


def test_one_name_stands_for_one_class() -> None:
    places: dict[str, list[str]] = {}
    for module, path in own_modules().items():
        for name in class_names(path):
            places.setdefault(name, []).append(module)
    assert not {name: modules for name, modules in places.items() if len(modules) > 1}


def test_few_modules_import_others_by_name() -> None:
    """So that nobody imports past the order of the rooms: the package's face, the registry, the table of kernels, what
    looks for libraries that are missing, and what uses one that need not be there."""
    asking = {module for module, path in own_modules().items() if "importlib.import_module" in path.read_text()}
    assert asking == {
        "lamina",
        "lamina.replacement",
        "lamina.universe",
        "lamina.lowering.schedule_to_loops",
        "lamina.cli.commands.doctor",
        "lamina.reference.host",
    }


def test_runtime_imports_numpy_and_the_standard_library_only() -> None:
    wrong = []
    for path in [*sources("runtime"), *sources("reference")]:
        for module, line in imports(path):
            top = module.partition(".")[0]
            known = top in sys.stdlib_module_names or top == "numpy"
            if not known and not within(module, "lamina.runtime", "lamina.reference"):
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong


def test_dialects_know_the_reference_and_the_atoms_alone() -> None:
    """Definitions are no matter of how anything is run or made: syntax, verifiers, and what sizes and fields mean."""
    others = (room for room in ROOMS if room not in ("dialects", "reference", "machines"))
    machines = ("lamina.machines.target", "lamina.machines.cpu", "lamina.machines.costs")
    assert not forbidden("dialects", *(f"lamina.{room}" for room in others), *machines)


def test_interpreters_know_levels_and_the_reference_alone() -> None:
    for path in sources("interpreters"):
        for module, line in imports(path):
            below = ("lamina.dialects", "lamina.machines.atoms", "lamina.runtime", "lamina.reference")
            known = within(module, *below, "lamina.interpreters")
            assert known or not within(module, "lamina"), f"{path.relative_to(ROOT)}:{line} imports {module}"


def test_backend_imports_no_passes_and_no_lowerings() -> None:
    assert not forbidden("backend", "lamina.passes", "lamina.lowering", "lamina.frontend")


def test_the_cache_needs_nothing_of_the_compiler() -> None:
    """A model that was compiled before starts without it; `platformdirs` knows where the user's cache is."""
    allowed = ("lamina.cache", "lamina.runtime", "lamina.external_files", "platformdirs")
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources("cache")
        for module, line in imports(path)
        if module.partition(".")[0] not in sys.stdlib_module_names and not within(module, *allowed)
    ]
    assert not wrong


def test_imports_inside_the_package_are_relative() -> None:
    wrong = []
    for folder in package_folders():
        for path in folder.glob("*.py"):
            for node in ast.walk(syntax(path)):
                named = isinstance(node, ast.ImportFrom) and not node.level and within(str(node.module), "lamina")
                whole = isinstance(node, ast.Import) and any(within(alias.name, "lamina") for alias in node.names)
                if named or whole:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong


def run_without(modules: list[str], code: str) -> None:
    """Runs code in a process where the modules cannot be imported."""
    blocked = f"import sys\nfor name in {modules}: sys.modules[name] = None\n"
    done = subprocess.run([sys.executable, "-c", blocked + code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


COMPILER_LIBRARIES = ["xdsl", "llvmlite", "onnx", "onnxruntime", "sympy", "rich", "typer", "platformdirs", "ml_dtypes"]


def test_every_runtime_module_loads_without_the_compilers_libraries() -> None:
    modules = [module_name(path) for path in [*sources("reference"), *sources("runtime"), *sources("as_onnxruntime")]]
    run_without(COMPILER_LIBRARIES, f"import importlib\nfor name in {modules}: importlib.import_module(name)")


def test_the_package_offers_load_and_sessions_without_the_compilers_libraries() -> None:
    run_without(COMPILER_LIBRARIES, "import lamina; lamina.load, lamina.InferenceSession, lamina.Executable")


def test_importing_the_package_loads_no_heavy_library() -> None:
    heavy = ["xdsl", "llvmlite", "onnx", "sympy", "typer", "rich"]
    code = f"import sys, lamina; loaded = [name for name in {heavy} if name in sys.modules]; assert not loaded, loaded"
    run_without([], code)


# --- what is listed, registered, documented, tested -----------------------------------------------------


def test_every_package_is_listed_in_pyproject() -> None:
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert listed == sorted(listed)
    assert listed == sorted(".".join(("lamina", *folder.relative_to(ROOT).parts)) for folder in package_folders())


def test_the_version_is_stated_once() -> None:
    import lamina

    assert lamina.__version__ == PROJECT["project"]["version"]


@pytest.mark.parametrize("name", DIALECTS)
def test_registered_dialect_loads(name: str) -> None:
    assert UNIVERSE.all_dialects[name]().name == name


@pytest.mark.parametrize("name", OUTPUTS)
def test_registered_output_loads(name: str) -> None:
    assert UNIVERSE.all_targets[name]().name == name


def pass_classes(folder: str) -> list[tuple[Path, ast.ClassDef]]:
    """Classes derived from ModulePass in the files of the folder."""
    return [
        (path, node)
        for path in sources(folder)
        for node in syntax(path).body
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "ModulePass" for base in node.bases)
    ]


def test_every_pass_is_registered() -> None:
    classes = [UNIVERSE.all_passes[name]() for name in (*PASSES, *LOWERINGS)]
    registered = {(cls.__module__, cls.__name__) for cls in classes}
    folders = ("passes", "lowering")
    written = {(module_name(path), node.name) for folder in folders for path, node in pass_classes(folder)}
    assert registered == written


@pytest.mark.parametrize("name", [*PASSES, *LOWERINGS])
def test_registered_pass_is_documented_and_covered(name: str) -> None:
    module_pass = UNIVERSE.all_passes[name]()
    assert module_pass.name == name
    assert not (module_pass.__doc__ or "").startswith(f"{module_pass.__name__}("), f"{name} has no docstring"
    assert covering_test(PASSES.get(name) or LOWERINGS[name]), f"{name} has no FileCheck file of its name"


def covering_test(location: str) -> Path | None:
    """``passes/graph/fold.py`` is covered by ``tests/filecheck/passes/graph/fold.mlir`` or by files in ``fold/``."""
    module = location.partition(":")[0]
    place = FILECHECK.joinpath(*module.split("."))
    return next(iter([*place.parent.glob(f"{place.name}.mlir"), *place.glob("*.mlir")]), None)


@pytest.mark.parametrize("name", PASSES)
def test_pass_is_named_after_its_level_and_file(name: str) -> None:
    """``passes/graph/fold_constants.py`` holds ``GraphFoldConstantsPass``, called ``graph-fold-constants``."""
    module, _, class_name = PASSES[name].partition(":")
    _, level, file = module.split(".")
    assert name == f"{level}-{file}".replace("_", "-")
    assert class_name.lower() == f"{level}{file}pass".replace("_", "")


@pytest.mark.parametrize("name", LOWERINGS)
def test_lowering_is_named_after_its_file(name: str) -> None:
    module, _, class_name = LOWERINGS[name].partition(":")
    assert name == f"lower-{module.split('.')[1]}".replace("_", "-")
    assert class_name.lower() == f"{name}pass".replace("-", "")


ALL_PHASES = {f"{kind}-{phase.name}": phase for kind, phases in PHASES.items() for phase in phases}


@pytest.mark.parametrize("phase", ALL_PHASES.values(), ids=ALL_PHASES)
def test_passes_of_phase_exist(phase: Phase) -> None:
    for module_pass in phase_passes(phase):
        assert module_pass.name in PASSES | LOWERINGS


def test_lowerings_stand_at_the_start_of_their_phase() -> None:
    """Only a lowering changes level, so no pass of the level above may follow it."""
    for phase in ALL_PHASES.values():
        names = [text.partition("{")[0] for text in phase.passes]
        lowerings = [name for name in names if name in LOWERINGS]
        assert names[: len(lowerings)] == lowerings, phase.name


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_op_is_covered_by_a_filecheck_file(dialect: str) -> None:
    folder = FILECHECK / "dialects"
    texts = [path.read_text() for path in [*folder.glob(f"{dialect}*.mlir"), *(folder / dialect).rglob("*.mlir")]]
    missing = [op.name for op in UNIVERSE.all_dialects[dialect]().operations if not any(op.name in t for t in texts)]
    assert not missing
