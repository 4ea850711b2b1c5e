"""XMP through `load` and `save`: carried over, marked, and safe from what strangers write into it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import pictures
from tests.support.picture_files import PACKET, RDF, TERMS, XMP_SOURCE_TYPE, RoundTrip, photograph, with_xmp
from upscaler.imaging.codec import xmp

pytestmark = pytest.mark.engine

IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
MARK = f' Iptc4xmpExt:DigitalSourceType="{TERMS}trainedAlgorithmicMedia"'
THING = f"<n:Thing xmlns:n='urn:x' xmlns:Iptc4xmpExt='{IPTC_EXTENSION}'{MARK}/>"
LIST = (
    f"<Iptc4xmpExt:DigitalSourceType><rdf:Bag><rdf:li>{TERMS}trainedAlgorithmicMedia</rdf:li></rdf:Bag>"
    "</Iptc4xmpExt:DigitalSourceType>"
)


@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("to", [None, "JPEG", "PNG", "WEBP"])
def test_xmp_is_carried_over_and_brought_in_line(source_format: str, to: str | None, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, with_xmp(source_format, PACKET.replace("{mark}", "").encode()), to)
    first, second = done.xmp.iter(f"{RDF}Description")
    assert [one.text for one in first.iter(f"{RDF}li")] == ["Zoë"]
    assert first.get("{http://ns.adobe.com/tiff/1.0/}Orientation") == "1"
    size = tuple(done.image.size)
    assert tuple(int(first.findtext(f"{{http://ns.adobe.com/exif/1.0/}}Pixel{side}Dimension")) for side in "XY") == size
    assert first.find("{http://ns.adobe.com/xap/1.0/}Thumbnails") is None
    assert not [name for name in first.keys() if "google" in name]  # noqa: SIM118 - an Element is no mapping
    assert second.get(f"{RDF}about") == "uuid:7"
    assert second.get(XMP_SOURCE_TYPE) == f"{TERMS}algorithmicallyEnhanced"


@pytest.mark.parametrize("to", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("generative", "term"), [(False, "algorithmicallyEnhanced"), (True, "compositeWithTrainedAlgorithmicMedia")]
)
def test_every_result_says_what_made_it(to: str, generative: bool, term: str, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, pictures.encoded(photograph(), "PNG"), to, generative=generative)
    assert done.source_types == [TERMS + term]


@pytest.mark.parametrize(
    ("was", "generative", "now"),
    [
        ("trainedAlgorithmicMedia", False, "trainedAlgorithmicMedia"),
        ("trainedAlgorithmicMedia", True, "trainedAlgorithmicMedia"),
        ("compositeSynthetic", False, "compositeSynthetic"),
        ("compositeWithTrainedAlgorithmicMedia", False, "compositeWithTrainedAlgorithmicMedia"),
        ("digitalCapture", False, "algorithmicallyEnhanced"),
        ("digitalCapture", True, "compositeWithTrainedAlgorithmicMedia"),
        ("algorithmicallyEnhanced", True, "compositeWithTrainedAlgorithmicMedia"),
    ],
)
def test_a_stronger_mark_is_kept_and_a_weaker_one_replaced(
    was: str, generative: bool, now: str, tmp_path: Path
) -> None:
    packet = PACKET.replace("{mark}", f' Iptc4xmpExt:DigitalSourceType="{TERMS}{was}"')
    done = RoundTrip(tmp_path, with_xmp("JPEG", packet.encode()), generative=generative)
    assert done.source_types == [TERMS + now]


LONG = f"<h:prompt xmlns:h='urn:x'>{'x' * 61_000}</h:prompt>"
VERY_LONG = LONG.replace("x" * 61_000, "x" * 600_000)
MARKED = {
    "too long for a JPEG": PACKET.replace("{mark}", MARK).replace("<dc:creator>", f"{LONG}<dc:creator>"),
    "too long to read": PACKET.replace("{mark}", MARK).replace("<dc:creator>", f"{VERY_LONG}<dc:creator>"),
    "too many nodes": PACKET.replace("{mark}", MARK).replace("old", "<a/>" * 30_000),
    "cut off": PACKET.replace("{mark}", MARK)[:900],
    "a list": PACKET.replace("{mark}", "").replace("<dc:creator>", f"{LIST}<dc:creator>"),
    "a node with a type": PACKET.replace("{mark}", "").replace("</rdf:RDF>", f"{THING}</rdf:RDF>"),
    "escaped letters": PACKET.replace("{mark}", MARK.replace("/trained", "/&#116;rained")),
}


@pytest.mark.parametrize("case", MARKED)
def test_a_stronger_mark_is_kept_from_whatever_it_is_found_in(case: str, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, with_xmp("PNG", MARKED[case].encode()), "JPEG")
    assert set(done.source_types) == {f"{TERMS}trainedAlgorithmicMedia"}


def test_a_packet_of_very_many_attributes_is_not_read() -> None:
    many = " ".join(f"a{number}=''" for number in range(40_000))
    packet = PACKET.replace("{mark}", f" {many}").encode()
    assert len(packet) < xmp.MAX_LENGTH
    result = xmp.of_result(packet, 10, 10, generative=False)
    assert b"a39999" not in result
    assert b"algorithmicallyEnhanced" in result


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{f"&a{i - 1 or str()};" * 10}">' for i in range(1, 9))
    + "]><x:xmpmeta xmlns:x='adobe:ns:meta/'>&a8;</x:xmpmeta>"
)
HOSTILE = {
    "entity bomb": BOMB.encode(),
    "a file of this machine": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>',
    "no XML": b"\xff\xfe\x00 not xml",
    "no RDF": b"<x/>",
    "cut off": PACKET.encode()[:400],
    "very deep": b"<a>" * 9_000 + b"</a>" * 9_000,
    "deep inside": PACKET.replace("old", "<a>" * 8_000 + "</a>" * 8_000).replace("{mark}", "").encode(),
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><x/>',
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("source_format", ["JPEG", "WEBP"])
def test_hostile_xmp_is_replaced_by_the_mark_alone(case: str, source_format: str, tmp_path: Path) -> None:
    done = RoundTrip(tmp_path, with_xmp(source_format, HOSTILE[case]))
    assert done.source_types == [f"{TERMS}algorithmicallyEnhanced"]
    assert len(list(done.xmp.iter())) == 3


def test_an_editor_s_long_history_goes_before_the_rest_of_xmp(tmp_path: Path) -> None:
    history = f'<h:History xmlns:h="http://ns.adobe.com/photoshop/1.0/">{"x" * 70_000}</h:History>'
    packet = PACKET.replace("{mark}", "").replace("<dc:creator>", f"{history}<dc:creator>").encode()
    content = with_xmp("PNG", packet)
    assert b"x" * 70_000 in RoundTrip(tmp_path, content).content
    done = RoundTrip(tmp_path, content, "JPEG")
    assert b"x" * 1000 not in done.content
    assert "Zoë" in [one.text for one in done.xmp.iter(f"{RDF}li")]


@pytest.mark.parametrize("length", [58_000, 62_000])
def test_as_much_xmp_as_a_jpeg_holds(length: int, tmp_path: Path) -> None:
    packet = PACKET.replace("{mark}", "").replace("Zoë", "Zoë" + "x" * length).encode()
    done = RoundTrip(tmp_path, with_xmp("JPEG", packet))
    assert ("x" * length in (next(done.xmp.iter(f"{RDF}li"), done.xmp).text or "")) == (length < 60_000)
    assert done.source_types == [f"{TERMS}algorithmicallyEnhanced"]
