"""The offline module: makes the numbers of a model narrower, and says what that costs and brings.

It reads and writes ONNX models; what it has to compute with them is run by Lamina itself.
"""
