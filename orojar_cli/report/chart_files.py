"""Charts as files: SVG that stands alone, and PNG drawn from it, both in the page's light colours."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

from PIL import Image, ImageDraw

from orojar_cli.media.text import font, write

# Pixels of a PNG for each unit of a chart, and how much finer it is drawn before.
_SCALE, _FINER = 3, 2
_GROUND, _INK, _FAINT, _RULE, _ACCENT = (255, 255, 255), (32, 35, 39), (91, 97, 104), (217, 217, 210), (29, 92, 140)
_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif'
_STYLE = f"""
text {{ font: 12px {_FONT}; fill: #202327; }}
.faint {{ fill: #5b6168; font-size: 11px; }} .end {{ text-anchor: end; }} .middle {{ text-anchor: middle; }}
.grid {{ stroke: #d9d9d2; fill: none; }} .whisker {{ stroke: #1d5c8c; stroke-width: 2.5; stroke-linecap: round; fill: none; opacity: .55; }}
.error {{ stroke: #202327; stroke-width: 1.4; fill: none; }} .curve {{ stroke: #1d5c8c; stroke-width: 1.8; fill: none; }}
.dot {{ fill: #ffffff; stroke: #1d5c8c; stroke-width: 2; }} .dot.best {{ fill: #1d5c8c; }} .bar {{ fill: #1d5c8c; fill-opacity: .62; }}
.cell {{ fill: #1d5c8c; stroke: #d9d9d2; stroke-width: .5; }} .cell-text {{ font-size: 11px; }} .cell-text.mid {{ fill: #000000; }}
.cell-text.high {{ fill: #ffffff; }}
"""
# What XML cannot hold: a file may be called anything.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NUMBER = r"-?\d+(?:\.\d+)?"


def standalone(svg: str) -> str:
    """A chart of the page as a file of its own: with a namespace, a size, its colours and a ground."""
    svg = clean(svg)
    found = re.match(rf'<svg viewBox="0 0 ({_NUMBER}) ({_NUMBER})" style="[^"]*"', svg)
    assert found is not None
    width, height = found[1], found[2]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    ground = f'<style>{_STYLE}</style><rect width="{width}" height="{height}" fill="#ffffff"/>'
    start = svg.index(">", found.end()) + 1
    return head + svg[found.end() : start] + ground + svg[start:] + "\n"


def clean(svg: str) -> str:
    """Without the characters that XML cannot hold."""
    return _NOT_XML.sub("\ufffd", svg)


def png(svg: str) -> bytes:
    """The same as a picture, three pixels for each unit: paths, circles, rectangles and texts are all that charts are made of."""
    root = ElementTree.fromstring(clean(svg))
    width, height = (float(side) for side in root.attrib["viewBox"].split()[2:])
    fine = _SCALE * _FINER
    drawn = Image.new("RGB", (_FINER * round(width * _SCALE), _FINER * round(height * _SCALE)), _GROUND)
    draw = ImageDraw.Draw(drawn)
    for element in root:
        kind = element.attrib.get("class", "").split()
        if element.tag == "path":
            _draw_path(draw, element.attrib["d"], kind, fine)
        elif element.tag == "circle":
            x, y, radius = (fine * float(element.attrib[name]) for name in ("cx", "cy", "r"))
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), _ACCENT if "best" in kind else _GROUND, _ACCENT, 2 * fine)
        elif element.tag == "rect":
            x, y, across, down = (fine * float(element.attrib[name]) for name in ("x", "y", "width", "height"))
            opacity = float(element.attrib.get("fill-opacity", 0.62))
            outline = _RULE if "cell" in kind else None
            draw.rectangle((x, y, x + across, y + down), _mixed(_ACCENT, opacity), outline, fine // 2)
    picture = drawn.reduce(_FINER)
    for element in root.iter("text"):
        kind = element.attrib.get("class", "").split()
        place = (_SCALE * float(element.attrib["x"]), _SCALE * float(element.attrib["y"]))
        size = 11 if "faint" in kind or "cell-text" in kind else 12
        colour = _FAINT if "faint" in kind else (255, 255, 255) if "high" in kind else _INK
        anchor = "rs" if "end" in kind else "ms" if "middle" in kind else "ls"
        write(picture, place, element.text or "", colour, font(size * _SCALE), anchor)
    buffer = io.BytesIO()
    picture.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(buffer, "PNG")
    return buffer.getvalue()


def _draw_path(draw: ImageDraw.ImageDraw, path: str, kind: list[str], scale: int) -> None:
    """M x y, then H x, V y or L x y."""
    points: list[tuple[float, float]] = []
    for command, text in re.findall(r"([MLHV])([^MLHV]*)", path):
        numbers = [float(part) for part in re.findall(_NUMBER, text)]
        last = points[-1] if points else (0.0, 0.0)
        points.append((numbers[0], last[1]) if command == "H" else (last[0], numbers[0]) if command == "V" else (numbers[0], numbers[1]))
    width, colour = 1.0, _RULE
    if "whisker" in kind:
        width, colour = 2.5, _mixed(_ACCENT, 0.55)
    elif "error" in kind:
        width, colour = 1.4, _INK
    elif "curve" in kind:
        width, colour = 1.8, _ACCENT
    draw.line([(scale * x, scale * y) for x, y in points], colour, max(1, round(width * scale)), joint="curve")


def _mixed(colour: tuple[int, int, int], opacity: float) -> tuple[int, int, int]:
    """A colour over the ground."""
    red, green, blue = (round(255 + (part - 255) * opacity) for part in colour)
    return red, green, blue
