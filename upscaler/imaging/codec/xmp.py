"""XMP packets: brought in line with an enlarged picture, and marked as what made it.

XMP is XML from strangers: defusedxml refuses the declarations that entity bombs are made of.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast
from xml.dom import Node
from xml.dom.minidom import Document, Element
from xml.parsers.expat import ExpatError

from defusedxml import DefusedXmlException, minidom

MAX_LENGTH = 500_000
"""Bytes of a packet that is read: parsed, it takes some three hundred times that much memory at worst."""
MAX_NODES = 10_000
"""Elements and attributes of a packet that is read: what takes them out needs time by their number squared."""

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
TIFF, EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
XMP, NOTE = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/note/"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
XMLNS = "http://www.w3.org/2000/xmlns/"

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ENHANCED = f"{SOURCE_TYPES}algorithmicallyEnhanced"
"""Corrected by an algorithm that leaves the content as it is."""
GENERATIVE = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
"""A picture that a generative network edited."""
STRONGER = ("trainedAlgorithmicMedia", "compositeSynthetic", "compositeWithTrainedAlgorithmicMedia")
"""Terms that say of a source that a generative network had a part in it: enlarging takes nothing of that back. The
first outweighs the others where a packet names several."""

STALE = ((XMP, "Thumbnails"), (NOTE, "HasExtendedXMP"))
"""Properties of the old file: its small copy, and where in it more XMP lay."""
BULKY = (
    ("http://ns.adobe.com/photoshop/1.0/", "DocumentAncestors"),
    ("http://ns.adobe.com/photoshop/1.0/", "History"),
    ("http://ns.adobe.com/xap/1.0/mm/", "History"),
    ("http://ns.adobe.com/xap/1.0/mm/", "Ingredients"),
)
"""What editors note for themselves, the first to go where the result's format has little room."""
STALE_NAMESPACES = (
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/camera/",
)
"""About pictures and films that phones put behind the picture; a result has none."""
PRIVATE = re.compile("GPS.*|.*SerialNumber|(?:Camera)?OwnerName|LocationCreated|LensID|ImageUniqueID")
"""Names of properties that tell a place, one camera or its owner."""

EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
END = '<?xpacket end="w"?>'


def of_result(packet: bytes | None, width: int, height: int, *, generative: bool, longest: int = MAX_LENGTH) -> bytes:
    """The source's ``packet`` for a picture of that size in pixels, with IPTC's DigitalSourceType.

    ``generative``: whether a network that invents detail took part; a source that already says as much in one of
    ``STRONGER``, anywhere and in any shape, keeps that term. A packet that can't be read, is unsafe to, has more than
    ``MAX_NODES`` nodes, or would have more than ``longest`` bytes even without an editor's history, is replaced by one
    that holds the mark alone.
    """
    source_type = _stronger(packet or b"") or (GENERATIVE if generative else ENHANCED)
    if packet and len(packet) <= MAX_LENGTH and packet.count(b"<") / 2 + packet.count(b"=") <= MAX_NODES:
        # Besides its own errors expat passes on what decoding the text raises; the last is of elements nested too deep.
        with contextlib.suppress(DefusedXmlException, ExpatError, ValueError, LookupError, RecursionError):
            document = minidom.parseString(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
            if document.getElementsByTagNameNS(RDF, "RDF"):
                source_type = _stronger(_packed(document)) or source_type
                _bring_in_line(document, width, height)
                _mark(document, source_type)
                if len(_packed(document)) > longest:
                    _drop(document, BULKY)
                if len(whole := _packed(document)) <= longest:
                    return whole
    document = minidom.parseString(EMPTY)
    _mark(document, source_type)
    return _packed(document)


def of_fitted(packet: bytes | None, width: int, height: int, *, keep_private: bool, longest: int) -> bytes | None:
    """The ``packet`` for a copy of that size in pixels that nothing was added to; None where nothing is left to say.

    The source's own DigitalSourceType stays as it is, also of a packet that can't be read: then it alone is left.
    ``keep_private``: whether places, owners and serial numbers stay.
    """
    mark = re.search(rf"{SOURCE_TYPES}\w+".encode(), (packet or b"").replace(b"\0", b""))
    if packet and len(packet) <= MAX_LENGTH and packet.count(b"<") / 2 + packet.count(b"=") <= MAX_NODES:
        with contextlib.suppress(DefusedXmlException, ExpatError, ValueError, LookupError, RecursionError):
            document = minidom.parseString(packet.strip(b"\0 \t\r\n"), forbid_dtd=True)
            if document.getElementsByTagNameNS(RDF, "RDF"):
                _bring_in_line(document, width, height)
                if not keep_private:
                    _drop_private(document)
                if len(_packed(document)) > longest:
                    _drop(document, BULKY)
                if len(whole := _packed(document)) <= longest:
                    return whole
    if mark is None:
        return None
    document = minidom.parseString(EMPTY)
    _mark(document, mark.group().decode())
    return _packed(document)


def _drop_private(document: Document) -> None:
    """Wherever they stand: places are also told inside other properties."""
    for element in list(document.getElementsByTagName("*")):
        for attribute in _attributes(element):
            if PRIVATE.fullmatch(attribute.localName or ""):
                element.removeAttributeNode(attribute)
        if PRIVATE.fullmatch(element.localName or "") and element.parentNode is not None:
            element.parentNode.removeChild(element)


def _stronger(packet: bytes) -> str | None:
    """The source's own mark, if it is one of ``STRONGER``: looked for in the bytes, as not every packet is parsed."""
    # In UTF-16, every second byte of it is zero.
    text = packet.replace(b"\0", b"")
    found = next((term for term in STRONGER if re.search(rf"\b{term}\b".encode(), text)), None)
    return found and SOURCE_TYPES + found


def _packed(document: Document) -> bytes:
    # Without the XML declaration, which has no place inside a packet.
    root = cast(Element, document.documentElement)
    return f"{BEGIN}{root.toxml()}{END}".encode()


def _bring_in_line(document: Document, width: int, height: int) -> None:
    values = {(TIFF, "ImageWidth"): width, (TIFF, "ImageLength"): height, (TIFF, "Orientation"): 1}
    values |= {(EXIF, "PixelXDimension"): width, (EXIF, "PixelYDimension"): height}
    for (namespace, name), value in values.items():
        for found in _properties(document, namespace, name):
            _set_text(found, str(value))
    _drop(document, STALE)
    for description in _descriptions(document):
        for node in [*_attributes(description), *_elements(description)]:
            if node.namespaceURI in STALE_NAMESPACES:
                _remove(node)


def _mark(document: Document, source_type: str) -> None:
    _drop(document, ((IPTC_EXTENSION, "DigitalSourceType"),))
    description = document.createElementNS(RDF, "rdf:Description")
    for name, value in (("xmlns:rdf", RDF), ("xmlns:Iptc4xmpExt", IPTC_EXTENSION)):
        description.setAttributeNS(XMLNS, name, value)
    # Each block is about the same thing, by whatever name the first calls it.
    about = next((one.getAttributeNS(RDF, "about") for one in _descriptions(document)), "")
    description.setAttributeNS(RDF, "rdf:about", about)
    description.setAttributeNS(IPTC_EXTENSION, "Iptc4xmpExt:DigitalSourceType", source_type)
    document.getElementsByTagNameNS(RDF, "RDF")[0].appendChild(description)


def _drop(document: Document, properties: Iterable[tuple[str, str]]) -> None:
    for namespace, name in properties:
        for found in list(_properties(document, namespace, name)):
            _remove(found)


def _properties(document: Document, namespace: str, name: str) -> Iterator[Any]:
    """The elements and attributes that give a top level property."""
    for description in _descriptions(document):
        if description.hasAttributeNS(namespace, name):
            yield description.getAttributeNodeNS(namespace, name)
        yield from [one for one in _elements(description) if (one.namespaceURI, one.localName) == (namespace, name)]


def _descriptions(document: Document) -> list[Element]:
    return [
        one
        for rdf in document.getElementsByTagNameNS(RDF, "RDF")
        for one in _elements(rdf)
        if (one.namespaceURI, one.localName) == (RDF, "Description")
    ]


def _elements(parent: Element) -> list[Element]:
    return [node for node in parent.childNodes if node.nodeType == Node.ELEMENT_NODE]


def _attributes(element: Element) -> list[Any]:
    return list(element.attributes.values())


def _set_text(node: Any, text: str) -> None:
    if node.nodeType == Node.ATTRIBUTE_NODE:
        node.value = text
        return
    for child in list(node.childNodes):
        node.removeChild(child)
    node.appendChild(node.ownerDocument.createTextNode(text))


def _remove(node: Any) -> None:
    if node.nodeType == Node.ATTRIBUTE_NODE:
        node.ownerElement.removeAttributeNode(node)
    else:
        node.parentNode.removeChild(node)
