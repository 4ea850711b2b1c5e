"""Colours that a file declares by numbers instead of an ICC profile: what they mean, as a profile and as sRGB.

The numbers are those of ITU-T H.273, which PNG's cICP and the nclx boxes of AVIF and HEIC share.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy import linalg

from upscaler.imaging.pixels import STRIP_PIXELS
from upscaler.imaging.samples import Samples

Numbers = npt.NDArray[np.float64]
Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of red, green, blue and white."""

D65 = (0.3127, 0.3290)
SRGB: Chromaticities = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, *D65)
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    2: SRGB,
    4: (0.67, 0.33, 0.21, 0.71, 0.14, 0.08, 0.310, 0.316),
    5: (0.64, 0.33, 0.29, 0.60, 0.15, 0.06, *D65),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, *D65),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *D65),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.314, 0.351),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *D65),
}
"""By H.273's number; 2 says nothing, which browsers take for sRGB."""

Curve = tuple[float, float, float, float, float]
"""g, a, b, c, d of ICC's parametric curve 3: (a * x + b) ** g from d on, c * x below."""
SRGB_CURVE: Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
TELEVISION: Curve = (2.4, 1.0, 0.0, 0.0, 0.0)
"""What television's screens make of its signals (BT.1886)."""
TELEVISION_NUMBERS = (1, 6, 14, 15)
CURVES: dict[int, Curve] = {
    2: SRGB_CURVE,
    4: (2.2, 1.0, 0.0, 0.0, 0.0),
    5: (2.8, 1.0, 0.0, 0.0, 0.0),
    8: (1.0, 1.0, 0.0, 1.0, 0.0),
    13: SRGB_CURVE,
}
"""By H.273's number."""
PQ, HLG = 16, 18
HDR_NOTE = (
    "The picture is in HDR; the result is in SDR, its bright parts mapped as browsers map them for such a screen."
)

USUAL_GAMMA = 2.2
USUAL_GAMMAS = (1.6, 3.0)
"""Between these, 8 bits of a picture are spread about as the eye sees, as networks and encoders expect."""

WHITE_NITS, PEAK_NITS = 203.0, 1000.0
"""Candelas for a square metre: what HDR's white is on an SDR screen (ITU-R BT.2408), and the brightest that a picture
is expected to hold where it does not say. Chromium has both."""
D50 = (0.9642, 1.0, 0.8249)


@dataclass(frozen=True)
class Declared:
    """What a file says about its colours."""

    primaries: Chromaticities
    curve: Curve | int
    """How numbers become light; PQ or HLG for HDR."""

    @property
    def is_hdr(self) -> bool:
        """Whether its white is brighter than a page's."""
        return isinstance(self.curve, int)

    @property
    def is_srgb(self) -> bool:
        """Whether it says no more than what is taken for granted without a word."""
        return self.primaries == SRGB and self.curve == SRGB_CURVE

    @property
    def must_be_converted(self) -> bool:
        """Whether a profile is not enough: HDR, and curves in which 8 bits do not suffice or networks see nothing."""
        if isinstance(self.curve, int):
            return True
        at_half = float(_light(np.array([0.5]), self.curve)[0])
        gamma = np.log(at_half) / np.log(0.5)
        return not USUAL_GAMMAS[0] <= gamma <= USUAL_GAMMAS[1]


def from_numbers(primaries: int, transfer: int, *, television: Curve = SRGB_CURVE) -> Declared | None:
    """What a pair of H.273's numbers declares; None for one that is not known.

    ``television``: what its curves are taken for. Browsers take them for sRGB's in AVIF, whose encoders set them
    without a thought, and for `TELEVISION` in PNG.
    """
    curve: Curve | int | None = transfer if transfer in (PQ, HLG) else CURVES.get(transfer)
    if transfer in TELEVISION_NUMBERS:
        curve = television
    if curve is None or primaries not in PRIMARIES:
        return None
    return Declared(PRIMARIES[primaries], curve)


def hdr_of_profile(profile: bytes) -> Declared | None:
    """What an ICC profile for HDR says by H.273's numbers, as libjxl writes them; None for all other profiles."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        for at in range(132, 132 + 12 * min(count, 100), 12):
            name, place, length = struct.unpack_from(">4sII", profile, at)
            if name == b"cicp" and length >= 12 and profile[place + 9] in (PQ, HLG):
                return from_numbers(profile[place + 8], profile[place + 9])
    except (struct.error, IndexError):
        pass
    return None


def from_gamma(gamma: float | None, chromaticities: Any) -> Declared | None:
    """What PNG's gAMA and cHRM declare together, as browsers take them; None for nothing.

    ``gamma``: of encoding, 0.45455 for the usual, which alone is taken for sRGB; without it the primaries count for
    nothing.
    """
    if gamma is None or not 0.1 <= gamma <= 10 or (chromaticities is None and abs(gamma * USUAL_GAMMA - 1) < 0.05):
        return None
    curve, primaries = (1 / gamma, 1.0, 0.0, 0.0, 0.0), SRGB
    if chromaticities is not None and len(chromaticities) == 8:
        # PNG begins with white.
        told: Chromaticities = (*chromaticities[2:], *chromaticities[:2])
        if any(abs(one - other) > 0.001 for one, other in zip(told, SRGB, strict=True)) and _is_sound(told):
            primaries = told
    return Declared(primaries, curve)


def _is_sound(primaries: Chromaticities) -> bool:
    if not all(0 <= value <= 1 for value in primaries) or min(primaries[1::2]) <= 0:
        return False
    with np.errstate(all="ignore"):
        columns = np.stack([_xyz(primaries[2 * one], primaries[2 * one + 1]) for one in range(3)], axis=1)
        return bool(abs(linalg.det(columns)) > 1e-3 and (linalg.solve(columns, _xyz(*primaries[6:])) > 0).all())


def _xyz(x: float, y: float) -> Numbers:
    return np.array([x / y, 1, (1 - x - y) / y])


@cache
def to_d50(primaries: Chromaticities) -> Numbers:
    """(3, 3): linear RGB to XYZ under D50, adapted by Bradford's method, as ICC profiles have it."""
    columns = np.stack([_xyz(primaries[2 * one], primaries[2 * one + 1]) for one in range(3)], axis=1)
    white = _xyz(*primaries[6:])
    columns = columns * linalg.solve(columns, white)
    adapted: Numbers = _adaptation(white) @ columns
    return adapted


def _adaptation(white: Numbers) -> Numbers:
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    adaptation: Numbers = linalg.inv(bradford) @ np.diag((bradford @ D50) / (bradford @ white)) @ bradford
    return adaptation


@cache
def profile(declared: Declared, *, grey: bool) -> bytes:
    """An ICC profile, version 4, that says the same of RGB, or of grey, which has a curve and no primaries."""
    if isinstance(declared.curve, int):
        raise ValueError("Nothing but a conversion shows HDR on every screen.")
    g, a, b, c, d = declared.curve
    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + _fixed(g, a, b, c, d)
    white = _xyz(*declared.primaries[6:])
    tags = _common(white)
    if grey:
        tags[b"kTRC"] = curve
    else:
        for letter, column in zip("rgb", to_d50(declared.primaries).T, strict=True):
            tags[f"{letter}XYZ".encode()] = b"XYZ " + bytes(4) + _fixed(*column)
            tags[f"{letter}TRC".encode()] = curve
    return _packed(tags, b"GRAY" if grey else b"RGB ")


def grey_profile_of(rgb: bytes) -> bytes | None:
    """A grey profile whose shades are those of a sound RGB profile's; None for one that has no single curve."""
    (count,) = struct.unpack_from(">I", rgb, 128)
    found = {
        rgb[at : at + 4]: struct.unpack_from(">II", rgb, at + 4) for at in range(132, 132 + 12 * min(count, 100), 12)
    }
    curves = {rgb[found[name][0] : sum(found[name])] for name in (b"rTRC", b"gTRC", b"bTRC") if name in found}
    if len(curves) != 1 or b"A2B0" in found:
        return None
    return _packed({**_common(_xyz(*D65)), b"kTRC": curves.pop()}, b"GRAY")


def _packed(tags: dict[bytes, bytes], space: bytes) -> bytes:
    start = 128 + 4 + 12 * len(tags)
    table, body, places = b"", b"", dict[bytes, int]()
    for name, content in tags.items():
        # The three curves are one.
        if content not in places:
            places[content] = start + len(body)
            body += content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", places[content], len(content))
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x04300000, b"mntr", space, b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _common(white: Numbers) -> dict[bytes, bytes]:
    return {
        b"desc": _text("Declared by the source file"),
        b"cprt": _text("No copyright, use freely"),
        b"wtpt": b"XYZ " + bytes(4) + _fixed(*D50),
        b"chad": b"sf32" + bytes(4) + _fixed(*_adaptation(white).ravel()),
    }


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _text(text: str) -> bytes:
    # UTF-16 by hand: where pictures of strangers are read, no file can be opened, and a codec is one.
    letters = b"".join(b"\0%c" % letter for letter in text.encode("ascii"))
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(letters), 28) + letters


def in_srgb(values: Samples, declared: Declared) -> Samples:
    """The pixels in sRGB, in as many bits; what sRGB can't show is cut, after HDR was mapped to SDR.

    ``values``: (height, width, 1 to 4), 8 or 16 bits, the last channel of 2 and 4 transparency, which stays. Grey in
    HDR or of a strange curve stays grey.
    """
    channels = values.shape[2]
    colours = 1 if channels < 3 else 3
    full = np.iinfo(values.dtype).max
    light = _light(np.arange(full + 1) / full, declared.curve).astype(np.float32)
    # Browsers map HDR within the widest primaries.
    within = PRIMARIES[9] if declared.is_hdr else declared.primaries
    widened = linalg.solve(to_d50(within), to_d50(declared.primaries)).astype(np.float32)
    gamut = linalg.solve(to_d50(SRGB), to_d50(within)).astype(np.float32)
    converted = np.empty_like(values)
    height = max(1, STRIP_PIXELS // values.shape[1])
    for top in range(0, len(values), height):
        strip = values[top : top + height]
        lit = light[strip[..., :colours]]
        if declared.is_hdr:
            lit = _mapped(lit @ widened.T if colours == 3 else lit, declared.curve == HLG)
        if colours == 3:
            lit = lit @ gamut.T
        converted[top : top + height, :, :colours] = (_srgb_numbers(lit.clip(0, 1)) * full + 0.5).astype(values.dtype)
        converted[top : top + height, :, colours:] = strip[..., colours:]
    return converted


def _light(values: Numbers, curve: Curve | int) -> Numbers:
    """Linear light, 1 for a page's white; HLG's is the scene's still."""
    if curve == PQ:
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        root = values ** (1 / m2)
        nits: Numbers = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
        return nits / WHITE_NITS
    if curve == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene: Numbers = np.where(values <= 0.5, values**2 / 3, (np.exp((values - c) / a) + b) / 12)
        return scene
    if isinstance(curve, int):
        raise ValueError(f"{curve} is no curve.")
    g, slope, shift, low, d = curve
    return np.where(values >= d, np.maximum(slope * values + shift, 0) ** g, low * values)


def _mapped(light: Any, is_scene: bool) -> Any:
    """Linear light with what is beyond white brought below: by the pixel's brightest channel, so that no hue turns.

    ``is_scene``: whether it is the light of a scene, as in HLG, and a screen's curve is still to come (BT.2100).
    """
    if is_scene:
        luminance = to_d50(PRIMARIES[9])[1].astype(np.float32)
        seen = light @ luminance if light.shape[2] == 3 else light[..., 0]
        light = light * (PEAK_NITS / WHITE_NITS * np.maximum(seen, 1e-6) ** 0.2)[..., None]
    highest = np.maximum(light.max(axis=2, keepdims=True), 1e-6)
    return light * (_below_white(highest) / highest)


def _below_white(light: Any) -> Any:
    """Where light beyond a page's white goes: the reference white tone mapping of SMPTE ST 2094-50, as in browsers.

    White and all below it get half as bright; from there to the peak runs a curve of Bézier's, whose middle point lies
    between.
    """
    knee, half, peak, share = 1.0, 0.5, PEAK_NITS / WHITE_NITS, 0.65
    middle_in, middle_out = (1 - share) * knee + share * knee / half, (1 - share) * half + share
    # Of the quadratic in t that is the light, the root that is wanted.
    a, b = knee - 2 * middle_in + peak, 2 * (middle_in - knee)
    t = (np.sqrt(b * b + 4 * a * (light.clip(knee, peak) - knee)) - b) / (2 * a)
    curve = half * (1 - t) ** 2 + 2 * middle_out * t * (1 - t) + t**2
    return np.where(light <= knee, half * light, curve)


def _srgb_numbers(light: Any) -> Any:
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
