"""Colours for MLIR: what the levels print."""

from __future__ import annotations

from typing import Any

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, String, Text
from sphinx.application import Sphinx


class MLIRLexer(RegexLexer):
    """Tokens of MLIR's text: comments, values, symbols, blocks, types, ops by ``dialect.name``, keys of attributes."""

    name = "MLIR"
    aliases = ("mlir",)
    filenames = ("*.mlir",)

    tokens = {
        "root": [
            (r"\s+", Text.Whitespace),
            (r"//.*$", Comment.Single),
            (r'"(?:[^"\\]|\\.)*"', String.Double),
            (r"%[\w.$#-]+", Name.Variable),
            (r"@(?:[\w.$-]+|\"[^\"]*\")", Name.Function),
            (r"\^\w+", Name.Label),
            (r"#[\w.]+", Name.Constant),
            (r"!\w+(?:\.\w+)*", Keyword.Type),
            # vector<6x64xf32>: the element type ends a run of sizes.
            (r"(\d+|\?)(x)(?=[\d?a-z])", bygroups(Number.Integer, Punctuation)),
            (r"(?:index|none|bf16|f16|f32|f64|[su]?i\d+)\b", Keyword.Type),
            (r"(?:vector|memref|tensor|tuple|strided|dense|affine_map)(?=<)", Keyword.Type),
            (r"(?:true|false|unit)\b", Keyword.Constant),
            (r"[a-z]\w*(?:\.\w+)+", Name.Builtin),
            (r"[-+]?\d+\.\d+(?:[eE][-+]?\d+)?", Number.Float),
            (r"[-+]?(?:0x[0-9a-fA-F]+|\d+)", Number.Integer),
            (r"(?:floordiv|ceildiv|mod|to|step|iter_args)\b", Keyword),
            (r"[A-Za-z_]\w*(?=\s*=)", Name.Attribute),
            (r"[A-Za-z_]\w*", Name),
            (r"->|=|\*|\+|-|:", Operator),
            (r"[\[\](){}<>,?;/|.]", Punctuation),
        ]
    }


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_lexer("mlir", MLIRLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
