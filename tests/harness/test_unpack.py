"""Archives give the members asked for, whole, and nothing outside the folder."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlir_harness.errors import FetchError
from mlir_harness.fetching import unpack

TEXT = b"Was ist das?\n" * 50
Entry = tuple[str, bytes]


def make_zip(
    path: Path, entries: list[Entry], change: Callable[[Any], None] = lambda _: None
) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as held:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.filename = info.orig_filename = name  # what ZipInfo would mend
            change(info)
            held.writestr(info, content)
    return path


def make_tar(
    path: Path,
    entries: list[Entry],
    change: Callable[[Any], None] = lambda _: None,
    mode: Any = "w:gz",
) -> Path:
    with tarfile.open(path, mode) as held:
        for name, content in entries:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            change(info)
            held.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def make_plain_tar(path: Path, entries: list[Entry]) -> Path:
    return make_tar(path, entries, mode="w")


KINDS = pytest.mark.parametrize("make", [make_zip, make_tar, make_plain_tar])


def take(archive: Path, members: dict[str, str]) -> dict[str, bytes]:
    folder = archive.parent / "unpacked"
    folder.mkdir()
    unpack.unpack(archive, members, folder, "the archive")
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@KINDS
def test_only_the_members_asked_for_come(tmp_path: Path, make: Any) -> None:
    held = [("mtop/en/eval.txt", b"en"), ("mtop/en/test.txt", b"no"), ("mtop/hi/eval.txt", TEXT)]
    archive = make(tmp_path / "archive", held)
    members = {"en/eval.txt": "en/eval.txt", "mtop/hi/eval.txt": "hi/dev.txt"}
    assert take(archive, members) == {"en/eval.txt": b"en", "hi/dev.txt": TEXT}


@KINDS
def test_the_whole_name_counts_before_its_end(tmp_path: Path, make: Any) -> None:
    archive = make(tmp_path / "archive", [("old/a.txt", b"old"), ("a.txt", b"new")])
    assert take(archive, {"a.txt": "a.txt"}) == {"a.txt": b"new"}


@KINDS
@pytest.mark.parametrize(
    ("held", "said"),
    [
        (["xa.txt"], "holds no a.txt"),
        (["one/a.txt", "two/a.txt"], "holds a.txt more than once: one/a.txt, two/a.txt"),
        (["../a.txt"], "'../a.txt': a path that leads out"),
        (["x/../../a.txt"], "'x/../../a.txt': a path that leads out"),
        (["/etc/a.txt"], "'/etc/a.txt': an absolute path"),
        (["C:/a.txt"], "'C:/a.txt': an absolute path"),
        (["..\\a.txt"], "a path with a backslash"),
        (["x\na.txt", "a.txt"], "control character"),
        (["a.txt", "../other"], "'../other': a path that leads out"),
    ],
)
def test_bad_names_are_told(tmp_path: Path, make: Any, held: list[str], said: str) -> None:
    archive = make(tmp_path / "archive", [(name, TEXT) for name in held])
    with pytest.raises(FetchError) as raised:
        take(archive, {"a.txt": "a.txt"})
    assert said in raised.value.message
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archive", "unpacked"]


def test_a_name_that_ends_at_a_nul_is_seen_whole(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", [("a.txt", TEXT)])
    content = archive.read_bytes().replace(b"a.txt", b"a.tx\0")
    archive.write_bytes(content)
    with pytest.raises(FetchError, match="control character"):
        take(archive, {"a.tx": "a.txt"})


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0

    archive = make_tar(tmp_path / "archive", [("x/a.txt", b"")], change)
    with pytest.raises(FetchError, match=r"'x/a\.txt': a link or device"):
        take(archive, {"a.txt": "a.txt"})


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFBLK])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, kind: int) -> None:
    def change(info: zipfile.ZipInfo) -> None:
        info.external_attr = (kind | 0o777) << 16

    archive = make_zip(tmp_path / "archive", [("a.txt", b"/etc/passwd")], change)
    with pytest.raises(FetchError, match=r"'a\.txt': a link or device"):
        take(archive, {"a.txt": "a.txt"})


@KINDS
def test_a_bomb_is_refused(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LARGEST", 60_000_000)
    archive = make(tmp_path / "archive", [("a.txt", bytes(64_000_000))])
    with pytest.raises(FetchError, match="would unpack to more than"):
        take(archive, {"a.txt": "a.txt"})


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", [("a.txt", bytes(64_000_000))])
    true, claimed = (64_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert archive.read_bytes().count(true) >= 1
    archive.write_bytes(archive.read_bytes().replace(true, claimed))
    with pytest.raises(FetchError, match=r"cannot be unpacked|more than"):
        take(archive, {"a.txt": "a.txt"})
    written = tmp_path / "unpacked" / "a.txt"
    assert not written.exists() or written.stat().st_size <= 1000


def test_a_header_that_would_fill_memory_is_refused(tmp_path: Path) -> None:
    """The name of a member, as GNU tar writes long ones, of two gigabytes of zeros."""
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2_000_000_000
    archive = tmp_path / "archive"
    archive.write_bytes(gzip.compress(header.tobuf() + bytes(1_000_000)))
    with pytest.raises(FetchError, match=r"has a header of 2\.0 GB"):
        take(archive, {"a.txt": "a.txt"})


@pytest.mark.parametrize(
    "content", [b"", b"<html>Not found</html>", b"PK\x03\x04", b"\x1f\x8b\x08"]
)
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(content)
    with pytest.raises(FetchError, match=r"the archive cannot be unpacked|holds no"):
        take(archive, {"a.txt": "a.txt"})


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "archive", [("a.txt", TEXT)])
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(bytes(content))
    with pytest.raises(FetchError, match=r"'a\.txt': encrypted"):
        take(archive, {"a.txt": "a.txt"})


_SETTINGS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_PIECES = st.sampled_from(["a", ".", "..", "/", "\\", "\0", ":", "é", "\n"])
_NAMES = st.lists(_PIECES, max_size=8).map("".join)


@KINDS
@_SETTINGS
@given(names=st.lists(_NAMES, max_size=4, unique=True))
def test_no_name_leads_out_of_the_folder(
    tmp_path_factory: pytest.TempPathFactory, make: Any, names: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("archives")
    try:
        archive = make(folder / "archive", [(name, TEXT) for name in names])
    except (ValueError, OSError, IndexError):
        return  # cannot even be made
    try:
        found = take(archive, {"a": "wanted"})
    except FetchError:
        found = {}
    assert set(found) <= {"wanted"}
    assert {path.name for path in folder.rglob("*")} <= {"archive", "unpacked", "wanted"}


@_SETTINGS
@given(place=st.floats(0, 1), byte=st.integers(0, 255), make=st.sampled_from([make_zip, make_tar]))
def test_a_damaged_archive_gives_the_right_bytes_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, place: float, byte: int, make: Any
) -> None:
    folder = tmp_path_factory.mktemp("archives")
    archive = make(folder / "archive", [("x/a.txt", TEXT), ("b.txt", b"b")])
    content = bytearray(archive.read_bytes())
    content[int(place * (len(content) - 1))] = byte
    archive.write_bytes(bytes(content))
    try:
        found = take(archive, {"a.txt": "a.txt"})
    except FetchError:
        return
    if make is make_zip:  # a tar file has no checksum of its own, and gzip one at its end
        assert found == {"a.txt": TEXT}
