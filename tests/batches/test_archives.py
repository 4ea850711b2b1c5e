"""What comes out of a ZIP that people upload, and what is said of the rest."""

from __future__ import annotations

import io
import random
import stat
import struct
import unicodedata
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile, UploadedFile
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.batches.zips import PICTURE, packed, raw, unicode_path
from tests.support import pictures
from upscaler.batches import archives
from upscaler.errors import PublicError

LIMITS = {"max_members": 20, "max_bytes": 1_000_000, "max_total_bytes": 5_000_000}


def _read(file: io.BytesIO, **limits: int) -> tuple[list[tuple[str, str, bytes]], dict[str, archives.LeftOut]]:
    with archives.read(file, **{**LIMITS, **limits}) as archive:
        found = [(member.folder, member.name, member.file.read()) for member in archive]
        return found, {left.kind: left for left in archive.left_out}


def _names(file: io.BytesIO, **limits: int) -> list[tuple[str, str]]:
    return [(folder, name) for folder, name, _ in _read(file, **limits)[0]]


def _refused(file: io.BytesIO, **limits: int) -> PublicError:
    with pytest.raises(PublicError) as refused:
        _read(file, **limits)
    return refused.value


def test_pictures_come_out_whole_with_their_folders() -> None:
    content = pictures.jpeg()
    found, left_out = _read(packed({"front.jpg": content, "summer/shirts/SKU-12.5 red.JPG": content}))
    assert found == [("", "front.jpg", content), ("summer/shirts", "SKU-12.5 red.JPG", content)]
    assert left_out == {}


def test_what_is_left_out_is_said_by_kind_with_its_names() -> None:
    members = {
        "a.jpg": PICTURE,
        "__MACOSX/._a.jpg": b"x",
        "._b.jpg": b"x",
        ".DS_Store": b"x",
        "shoot/Thumbs.db": b"x",
        "shoot/desktop.ini": b"x",
        "notes.txt": b"x",
        "brief.pdf": b"x",
        "inner.zip": b"x",
        "inner.rar": b"x",
        "list.xlsx": b"x",
        "empty/": b"",
        "empty/inside/": b"",
        "full/": b"",
        "full/c.png": PICTURE,
    }
    found, left_out = _read(packed(members))
    assert [name for _, name, _ in found] == ["a.jpg", "c.png"]
    assert {kind: left.count for kind, left in left_out.items()} == {
        "system": 5,
        "no_picture": 2,
        "archive": 2,
        "table": 1,
        "empty_folder": 1,
    }
    assert left_out["archive"].names == ["inner.zip", "inner.rar"]
    assert left_out["empty_folder"].names == ["empty/inside"]
    assert all(left.reason for left in left_out.values())


def test_a_name_without_an_ending_is_judged_by_what_is_in_it() -> None:
    found, left_out = _read(packed({"SKU-12.5 red": PICTURE, "README": b"Read me", "empty": b""}))
    assert [name for _, name, _ in found] == ["SKU-12.5 red"]
    assert left_out["no_picture"].names == ["README", "empty"]


def test_only_the_first_names_of_many_are_given() -> None:
    _, left_out = _read(packed({"a.jpg": PICTURE, **{f"{number}.txt": b"x" for number in range(12)}}))
    assert left_out["no_picture"].count == 12
    assert len(left_out["no_picture"].names) == archives.MAX_NAMES


@pytest.mark.parametrize(
    ("written", "flags", "meant"),
    [
        ("Größe 38.jpg".encode(), 0x800, "Größe 38.jpg"),
        ("Größe 38.jpg".encode(), 0, "Größe 38.jpg"),
        (unicodedata.normalize("NFD", "Größe.jpg").encode(), 0, unicodedata.normalize("NFD", "Größe.jpg")),
        ("Größe 38.jpg".encode("cp437"), 0, "Größe 38.jpg"),
        ("Größe 38.jpg".encode("cp850"), 0, "Größe 38.jpg"),
        ("Größe 38.jpg".encode("cp1252"), 0, "Größe 38.jpg"),
        ("café été.jpg".encode("cp1252"), 0, "café été.jpg"),
        ("Kjøle blå.jpg".encode("cp850"), 0, "Kjøle blå.jpg"),
        ("红色连衣裙.jpg".encode("gb18030"), 0, "红色连衣裙.jpg"),
        ("赤いシャツ.jpg".encode("cp932"), 0, "赤いシャツ.jpg"),
    ],
)
def test_names_are_read_in_the_encoding_that_they_were_written_in(written: bytes, flags: int, meant: str) -> None:
    assert _names(raw([(written, PICTURE)], flags=flags)) == [("", meant)]


def test_the_true_name_beside_a_plain_one_counts_where_it_belongs_to_it() -> None:
    assert _names(raw([(b"Gr__e.jpg", PICTURE)], extra=unicode_path(b"Gr__e.jpg", "Größe.jpg"))) == [("", "Größe.jpg")]
    assert _names(raw([(b"new.jpg", PICTURE)], extra=unicode_path(b"old.jpg", "Größe.jpg"))) == [("", "new.jpg")]


def test_backslashes_part_folders_as_some_windows_programs_write_them() -> None:
    assert _names(raw([(b"summer\\shirts\\a.jpg", PICTURE)])) == [("summer/shirts", "a.jpg")]


@pytest.mark.parametrize(
    "path",
    [
        "../a.jpg",
        "b/../../a.jpg",
        "/etc/a.jpg",
        "C:\\a.jpg",
        "C:a.jpg",
        "..\\a.jpg",
        "\\\\host\\share\\a.jpg",
        "b\\..\\..\\a.jpg",
    ],
)
def test_a_member_that_tries_to_get_out_is_left_out(path: str) -> None:
    found, left_out = _read(raw([(path.encode(), PICTURE), (b"good.jpg", PICTURE)]))
    assert [(folder, name) for folder, name, _ in found] == [("", "good.jpg")]
    assert left_out["outside"].count == 1


def test_links_are_left_out() -> None:
    link = raw([(b"a.jpg", b"../../etc/passwd")], system=3, attributes=(stat.S_IFLNK | 0o777) << 16)
    assert _refused(link).code == "archive_no_pictures"


def test_a_damaged_member_does_not_stop_the_others() -> None:
    file = packed({"a.jpg": PICTURE, "b.jpg": bytes(range(255)) * 9, "c.jpg": PICTURE}, method=zipfile.ZIP_STORED)
    content = file.getvalue().replace(bytes(range(255)) * 9, bytes(range(255)) * 8 + b"x" * 255)
    found, left_out = _read(io.BytesIO(content))
    assert [name for _, name, _ in found] == ["a.jpg", "c.jpg"]
    assert left_out["damaged"].names == ["b.jpg"]


def test_a_member_that_unpacks_to_more_than_it_says_is_damaged() -> None:
    lying = raw([(b"a.jpg", PICTURE * 1000)], method=8, claimed=500)
    found, left_out = _read(io.BytesIO(_two(lying)))
    assert [name for _, name, _ in found] == ["good.jpg"]
    assert left_out["damaged"].names == ["a.jpg"]


def _two(lying: io.BytesIO) -> bytes:
    """The archive with one honest member more."""
    with zipfile.ZipFile(lying, "a") as archive:
        archive.writestr("good.jpg", PICTURE)
    return lying.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"nothing of the kind", b"PK\3\4" + b"x" * 100, packed({"a.jpg": PICTURE}).getvalue()[:-30]]
)
def test_what_is_no_whole_zip_is_refused(content: bytes) -> None:
    assert _refused(io.BytesIO(content)).code in ("archive_empty", "archive_damaged")


@pytest.mark.parametrize(
    ("head", "kind"), [(b"Rar!\x1a\x07\1\0", "RAR"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\x1f\x8b\x08", "gzip")]
)
def test_other_archives_are_refused_by_name(head: bytes, kind: str) -> None:
    error = _refused(io.BytesIO(head + b"x" * 600))
    assert error.code == "archive_kind"
    assert kind in error.message


def test_a_part_of_a_split_archive_is_refused_by_name() -> None:
    assert _refused(raw([(b"a.jpg", PICTURE)], disk=1)).code == "archive_split"
    assert _refused(io.BytesIO(b"PK\7\x08PK\3\4" + b"x" * 100)).code == "archive_split"


def test_a_locked_archive_is_refused_and_one_locked_member_left_out() -> None:
    locked = raw([(b"a.jpg", PICTURE)], flags=1)
    assert _refused(locked).code == "archive_encrypted"
    found, left_out = _read(io.BytesIO(_two(locked)))
    assert [name for _, name, _ in found] == ["good.jpg"]
    assert left_out["encrypted"].names == ["a.jpg"]


@pytest.mark.parametrize(("method", "name"), [(9, "Deflate64"), (14, "LZMA"), (93, "Zstandard")])
def test_unusual_compression_is_refused_by_name(method: int, name: str) -> None:
    error = _refused(raw([(b"a.jpg", PICTURE)], method=method))
    assert error.code == "archive_compression"
    assert name in error.message


def test_more_pictures_than_allowed_are_refused() -> None:
    file = packed({f"{number}.jpg": PICTURE for number in range(21)})
    assert _refused(file).code == "archive_too_many"
    assert len(_names(file, max_members=21)) == 21


def test_tens_of_thousands_of_members_are_refused_by_their_count_and_by_one_that_lies() -> None:
    members = [(b"%d.jpg" % number, b"") for number in range(60_000)]
    assert "60,000 files" in _refused(raw(members), max_members=5000).message
    assert "11,001 files" in _refused(raw(members[:15_000], entries=3), max_members=5000).message


def test_a_picture_that_is_too_large_is_left_out_and_too_much_together_refused() -> None:
    content = random.Random(1).randbytes(200_000)
    file = packed({"a.jpg": content, "b.jpg": content[:100]})
    found, left_out = _read(file, max_bytes=100_000)
    assert [name for _, name, _ in found] == ["b.jpg"]
    assert left_out["too_large"].names == ["a.jpg"]
    assert "0 MB" in left_out["too_large"].reason
    assert _refused(file, max_total_bytes=200_050).code == "archive_too_large"


def test_a_bomb_is_refused_by_what_it_says() -> None:
    bomb = raw([(b"%d.jpg" % number, b"\0" * 1000) for number in range(10)], method=8, claimed=50_000_000)
    assert _refused(bomb, max_bytes=60_000_000, max_total_bytes=10**10).code == "archive_bomb"


def test_members_that_lie_in_one_another_are_refused() -> None:
    file = raw([(b"a.jpg", PICTURE), (b"b.jpg", PICTURE)])
    content = bytearray(file.getvalue())
    second = content.rindex(b"PK\1\2")
    content[second + 42 : second + 46] = struct.pack("<L", 0)
    assert _refused(io.BytesIO(bytes(content))).code == "archive_bomb"


def test_an_archive_inside_an_archive_is_never_opened() -> None:
    inner = packed({"a.jpg": PICTURE}).getvalue()
    error = _refused(packed({"again.zip": inner}))
    assert error.code == "archive_no_pictures"
    assert "again.zip" in error.message


def test_zip64_works() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("a.jpg", "w", force_zip64=True) as member:
            member.write(PICTURE)
    # The end of a large archive, as others write it for small ones too.
    content = file.getvalue()
    end = content.rindex(b"PK\5\6")
    count, _, length, start = struct.unpack_from("<2H2L", content, end + 8)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert _names(io.BytesIO(content[:end] + record + locator + last)) == [("", "a.jpg")]


def test_long_and_deep_names_are_kept_within_limits() -> None:
    deep = "/".join("a" for _ in range(30_000)).encode()
    found, _ = _read(
        raw([(deep + b"/x.jpg", PICTURE), (b"y" * 60_000 + b".jpg", PICTURE)], flags=0x800), max_members=200
    )
    assert [name[-5:] for _, name, _ in found] == ["x.jpg", "y.jpg"]
    assert all(len(folder) <= archives.MAX_FOLDER_LENGTH and len(name) <= 255 for folder, name, _ in found)


def test_the_same_path_twice_is_two_pictures() -> None:
    assert _names(raw([(b"a.jpg", PICTURE), (b"a.jpg", PICTURE)])) == [("", "a.jpg"), ("", "a.jpg")]


_SOUND = packed({"a/ü.jpg": PICTURE * 3, "b.png": PICTURE, "c.txt": b"x", "d/": b""}).getvalue()


@settings(max_examples=150, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(_SOUND) - 1), st.integers(0, 255)), max_size=8),
    length=st.integers(1, len(_SOUND)),
)
def test_damage_of_any_kind_is_refused_or_left_out(changes: list[tuple[int, int]], length: int) -> None:
    content = bytearray(_SOUND)
    for at, value in changes:
        content[at] = value
    for damaged in (bytes(content), bytes(content[:length])):
        try:
            found, _ = _read(io.BytesIO(damaged))
        except PublicError as error:
            assert error.message
        else:
            assert all(name and "/" not in name for _, name, _ in found)


def test_accents_side_by_side_are_read_too() -> None:
    assert _names(raw([("créée 2.jpg".encode("cp437"), PICTURE)])) == [("", "créée 2.jpg")]


@pytest.mark.parametrize("is_large", [False, True])
def test_an_upload_is_read_as_django_hands_it_over(is_large: bool) -> None:
    content = packed({"a.jpg": PICTURE}).getvalue()
    upload: UploadedFile = SimpleUploadedFile("a.zip", content)
    if is_large:
        upload = TemporaryUploadedFile("a.zip", "application/zip", len(content), None)
        upload.write(content)
    with archives.read(upload, **LIMITS) as archive:
        assert [member.name for member in archive] == ["a.jpg"]
    assert not upload.closed


def test_what_is_taken_from_the_archive_may_be_put_by_in_its_own_time() -> None:
    file = packed({f"{number}.jpg": PICTURE * 9 for number in range(3)})
    with archives.read(file, **LIMITS) as archive:
        members = iter(archive)
        first = next(members)
        assert first.file.read() == PICTURE * 9
        second = next(members)
        assert first.file.closed
        assert second.file.read() == PICTURE * 9
        assert len(archive) == 3
