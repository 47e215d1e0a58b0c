"""What is asked of a model before and while it is imported: ONNX's rules, and limits for hostile ones."""
