"""Lets LLVM's lit run the files beside this one: ``lit tests/filecheck``."""

import os
import sys
from pathlib import Path

import lit.formats

config.name = "lamina"  # noqa: F821
config.test_format = lit.formats.ShTest(execute_external=False)  # noqa: F821
config.suffixes = [".mlir"]  # noqa: F821
config.test_source_root = os.path.dirname(__file__)  # noqa: F821
config.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # noqa: F821
