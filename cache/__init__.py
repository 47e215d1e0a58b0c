"""What compiling gives, kept on disk between processes.

Two kinds of entries lie in one folder and share one limit:

- ``models/``: complete compiled models (``models.py``), found by the bytes of an ONNX model. Opening one imports
  nothing of the compiler, and all processes that run it share its weights in memory;
- ``objects/``: the machine code of single kernels (``backend/object_cache.py``), found by their LLVM IR. It makes
  compiling faster where a model is new, or the compiler has changed.

``folder.py`` says where and how much, ``entries.py`` reads and writes files so that many processes can do it at once,
``identity.py`` names what a result depends on besides the model. Whatever goes wrong with the disk costs time, never
an answer: every OSError in here means "not cached".
"""
