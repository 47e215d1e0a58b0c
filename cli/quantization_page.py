"""The report of ``lamina quantize`` as a page for a browser, drawn without scripts or other files."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ..quantization.report import LayerReport, QuantizationReport, decibels
from .common import size_text

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em; color: #222; }
table { border-collapse: collapse; }
th, td { padding: 0.15em 0.7em; text-align: left; border-bottom: 1px solid #ddd; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.bar { min-width: 12em; }
.float { color: #888; }
.was { background: #cfd8dc; height: 6px; }
.is { background: #2a7de1; height: 6px; }
.snr { background: #2e9e5b; height: 12px; }
.low { background: #d9822b; }
"""
_LOW_SNR = 30.0
_FULL_SNR = 60.0


def page(report: QuantizationReport) -> str:
    """One HTML document: what was done, and a row for each layer with bars for its SNR, time and size."""
    longest = max((layer.times[0] or 0.0 for layer in report.layers), default=0.0)
    largest = max((layer.bytes_before for layer in report.layers), default=0)
    rows = "\n".join(_row(layer, longest, largest) for layer in report.layers)
    title = escape(f"{report.model or 'model'} as {report.to}")
    snr = decibels(report.error)
    facts = [
        f"{len(report.narrow)} of {len(report.layers)} layers are {report.to}, for {report.target}",
        f"weights {size_text(report.bytes_before)} → {size_text(report.bytes)}",
    ]
    if report.error is not None:
        of = f" ({snr:.1f} dB)" if snr is not None else ""
        facts.append(f"error of the results {report.error:.2e}{of} on {report.samples} runs of {report.data}")
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n{_items([*facts, *report.notes])}\n"
        "<table><tr><th>layer</th><th>operator</th><th>form</th><th>error before</th><th>error</th><th>SNR</th>"
        f"<th></th><th>time</th><th>size</th><th></th></tr>\n{rows}\n</table></body></html>\n"
    )


def _items(texts: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in texts) + "</ul>"


def _row(layer: LayerReport, longest: float, largest: int) -> str:
    seconds = layer.times[layer.is_narrow] or 0.0
    was = layer.times[0] or 0.0
    times = f"{was * 1e6:.0f} → {seconds * 1e6:.0f} us"
    sizes = f"{size_text(layer.bytes_before)} → {size_text(layer.bytes)}"
    cells = [
        f"<td>{escape(layer.name)}</td><td>{layer.operator}</td><td>{layer.form}</td>",
        _number(layer.error_before, "{:.1e}"),
        _number(layer.error, "{:.1e}"),
        _number(layer.snr, "{:.1f} dB"),
        _snr_bar(layer.snr),
        _bars(was, seconds, longest, times),
        _bars(layer.bytes_before, layer.bytes, largest, sizes),
        f"<td>{escape(layer.reason or ', '.join(layer.remedies))}</td>",
    ]
    return f"<tr class='{'narrow' if layer.is_narrow else 'float'}'>{''.join(cells)}</tr>"


def _number(value: float | None, form: str) -> str:
    return f"<td class='number'>{'' if value is None else form.format(value)}</td>"


def _snr_bar(snr: float | None) -> str:
    if snr is None:
        return "<td class='bar'></td>"
    share = min(max(snr / _FULL_SNR, 0.0), 1.0)
    return f"<td class='bar'><div class='snr{' low' if snr < _LOW_SNR else ''}' style='width:{share:.0%}'></div></td>"


def _bars(before: float, after: float, longest: float, text: str) -> str:
    """What was, above what is, against the longest of all layers."""
    scale = longest or 1.0
    shares = {"was": before / scale, "is": after / scale}
    bars = "".join(f"<div class='{name}' style='width:{share:.1%}'></div>" for name, share in shares.items())
    return f"<td class='bar' title='{text}'>{bars}</td>"
