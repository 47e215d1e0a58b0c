"""How the site is built from docs/: `make site`, or `sphinx-build --fail-on-warning docs build/site`.

The pages are plain Markdown that reads as well on a forge. What only the site has is added while it is built, by the
extensions beside this file: the navigation, the reference pages, and a page for each source file that is linked.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import lamina

project = "Lamina"
author = "the authors of Lamina"
release = version = lamina.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "extensions.mlir_lexer",
    "extensions.navigation",
    "extensions.reference",
    "extensions.source_pages",
]
exclude_patterns = ["extensions", "_static"]

# Captions of the side bar and the pages below each, in reading order; "next" and "previous" follow it.
navigation = {
    "Start": ["getting_started"],
    "Guides": [
        "guides/deploy_a_model",
        "guides/quantize_a_model",
        "guides/run_a_decoder",
        "guides/read_what_the_compiler_did",
        "guides/change_a_schedule",
        "guides/debug_a_wrong_result",
        "guides/custom_operators",
        "guides/add_an_op",
        "guides/add_a_pass",
        "guides/add_a_target",
        "guides/add_an_atom",
    ],
    "How it works": [
        "how_it_works",
        "graph",
        "kernel",
        "schedule",
        "loops",
        "llvm",
        "passes",
        "runtime",
        "untrusted_models",
    ],
    "Reference": [
        "tools",
        "reference/commands",
        "reference/python",
        "reference/compiler",
        "reference/operations",
        "accuracy",
        "guarantees",
        "performance",
    ],
    "Project": ["contributing", "changelog", "decisions/index"],
}

myst_heading_anchors = 3
# Docstrings write `name` for code, as Markdown does.
default_role = "code"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
# Annotations are texts without their module; where two classes have one name, the first is linked.
suppress_warnings = ["ref.python"]
python_display_short_literal_types = True
python_maximum_signature_line_length = 100

# Quotes and dashes stand for themselves: much of what is quoted is code.
smartquotes = False

html_theme = "furo"
html_title = f"Lamina {release}"
html_static_path = ["_static"]
html_css_files = ["lamina.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
# What is copied from a session with a shell is the commands, without prompts and output.
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
