"""The domains that operators belong to."""

STANDARD_DOMAINS = ("", "ai.onnx")
"""ONNX's own, also in the spelling that older models have."""
MICROSOFT = "com.microsoft"
