"""Packages made on the spot, so that environments are built by the real uv without a network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    modules: Mapping[str, str] | None = None,
    requires: Sequence[str] = (),
) -> Path:
    """A wheel of pure Python with these modules (path -> source); returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    about = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    contents = {
        **(modules or {f"{name}.py": f"version = {version!r}\n"}),
        f"{about}/METADATA": "\n".join([*metadata, *(f"Requires-Dist: {r}" for r in requires), ""]),
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},," for path in [*contents, f"{about}/RECORD"]]
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, text in contents.items():
            wheel.writestr(inside, text)
        wheel.writestr(f"{about}/RECORD", "\n".join(record) + "\n")
    return path
