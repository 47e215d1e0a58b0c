"""Which version of onnxruntime this interface is that of."""

API_VERSION = "1.32.0"
__version__ = API_VERSION
package_name = "onnxruntime"

__all__ = ["package_name"]
