"""Names of files: what is kept, what is cut, and what a header says."""

from __future__ import annotations

import pytest

from upscaler import file_names

WHOLE = [
    "Screenshot 2026-01-05 at 1.23.45\u202fPM.png",
    "\u2066".join(["a"]) + " & b.jpg",
    "Tom &amp; Jerry.jpg",
    "שמלה אדומה\u200f.jpg",
    "فستان\u200cها.jpg",
    "👩\u200d👩\u200d👧.png",
    '3" pipe.jpg',
    "l'été’s “best”.JPG",
    "e\u0301te\u0301.jpg",
    "a\u00a0b\u3000c.jpg",
    "a\\b.jpg",
    "100%25 %41.jpg",
    "semi;colon, comma=.jpg",
    " led by a blank.jpg",
    ".jpg",
    "ohne Endung",
]


@pytest.mark.parametrize("name", WHOLE)
def test_a_name_is_kept_whole(name: str) -> None:
    assert file_names.cleaned(name) == name
    assert file_names.shortened(name) == name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("summer/shirts/front.jpg", "front.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\front.jpg", "front.jpg"),
        ("\\\\server\\share\\front.jpg", "front.jpg"),
        ("..\\front.jpg", "front.jpg"),
        ("a\\b\\c.jpg", "a\\b\\c.jpg"),
        ("a\x00b\r\nc\x7fd\x9fe.jpg", "abcde.jpg"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("\u202aC.jpg\u202c", "C.jpg"),
        ("a\u2028b\u2029c.jpg", "abc.jpg"),
        ("half \ud83d.jpg", "half .jpg"),
        ("", "picture"),
        ("..", "picture"),
        ("\x00", "picture"),
        ("a/", "picture"),
    ],
)
def test_what_is_left_of_a_name(given: str, kept: str) -> None:
    assert file_names.cleaned(given) == kept


def test_a_name_is_cut_in_the_middle_before_its_ending() -> None:
    long = "Sommerkleid " + "ä" * 300 + " SKU-4711_front.jpeg"
    kept = file_names.shortened(long)
    assert len(kept) == file_names.MAX_LENGTH
    assert kept.startswith("Sommerkleid ä")
    assert kept.endswith("ä SKU-4711_front.jpeg")
    saved = file_names.for_file_system(long)
    assert file_names.MAX_BYTES - 4 <= len(saved.encode()) <= file_names.MAX_BYTES
    assert saved.startswith("Sommerkleid ä")
    assert saved.endswith("ä SKU-4711_front.jpeg")
    assert "…" in saved


@pytest.mark.parametrize("letter", ["👩\u200d👧", "e\u0301", "👍🏽", "क्षि"])
def test_no_letter_is_cut_in_two(letter: str) -> None:
    head, _, tail = file_names.for_file_system(letter * 100 + ".png").partition("…")
    assert not tail.startswith(("\u200d", "\u0301", "🏽", "\u094d", "\u093f"))
    assert not head.endswith("\u200d")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("red dress-1_(2).jpg", 'inline; filename="red dress-1_(2).jpg"'),
        ("Größe.jpg", "inline; filename=\"Groe.jpg\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.jpg"),
        ('3" a;b.jpg', "inline; filename=\"3_ a_b.jpg\"; filename*=UTF-8''3%22%20a%3Bb.jpg"),
        ("100%.jpg", "inline; filename=\"100_.jpg\"; filename*=UTF-8''100%25.jpg"),
        (
            "a\r\nSet-Cookie: x=1.jpg",
            "inline; filename=\"aSet-Cookie_ x_1.jpg\"; filename*=UTF-8''aSet-Cookie%3A%20x%3D1.jpg",
        ),
        ("a\u202egpj.exe", 'inline; filename="agpj.exe"'),
    ],
)
def test_a_header_names_a_file(name: str, header: str) -> None:
    assert file_names.content_disposition(name, as_attachment=False) == header


@pytest.mark.parametrize("name", ["連" * 255, "👗" * 255, "%" * 255, '"' * 255])
def test_a_header_stays_small(name: str) -> None:
    header = file_names.content_disposition(name, as_attachment=True)
    assert header.startswith("attachment; ")
    assert header.isascii()
    assert len(header) <= 1200
