"""A program: reads tensors from one pickle and writes them as safetensors; runs nothing it reads.

Started by `conversion`, in a process of its own: whatever reading a foreign file does, it does not
do it to the harness. Prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
import zipfile
from hashlib import file_digest
from pathlib import Path
from typing import Any

# Before it a pickle could run code even with weights_only (CVE-2025-32434).
_SAFE_SINCE = (2, 6)


def main(source: Path, target: Path) -> dict[str, Any]:
    """Write the tensors of the pickle `source` to `target`.

    Returns:
        What was done: hashes, number of tensors, versions; or `error` and its `kind`: "old",
        "unsafe", "damaged", "odd" or "disk".
    """
    import safetensors
    import torch
    from safetensors.torch import save_file

    before = _sha256(source)
    if _release(torch.__version__) < _SAFE_SINCE:
        return {"kind": "old", "error": str(torch.__version__)}
    try:
        loaded = torch.load(
            source,
            map_location="cpu",
            weights_only=True,
            # Older files are no zip archives, and cannot be mapped.
            mmap=zipfile.is_zipfile(source),
        )
    except Exception as error:
        return _refusal(error)
    if not isinstance(loaded, dict) or not loaded:
        return {"kind": "odd", "error": f"it holds a {type(loaded).__name__}"}
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            return {"kind": "odd", "error": f"{name!r} is a {type(value).__name__}"}
    try:
        save_file(_apart(loaded), target, metadata={"format": "pt"})
        with target.open("rb") as held:
            os.fsync(held.fileno())
    except (OSError, safetensors.SafetensorError) as error:
        return {"kind": "disk", "error": str(error)}
    return {
        "pickle_sha256": before,
        "sha256": _sha256(target),
        "tensors": len(loaded),
        "torch": str(torch.__version__),
        "safetensors": safetensors.__version__,
    }


def _release(version: str) -> tuple[int, ...]:
    """The first two numbers of a version."""
    return tuple(int(number) for number in re.findall(r"[0-9]+", version)[:2])


def _refusal(error: Exception) -> dict[str, Any]:
    found = re.search(r"GLOBAL (\S+)", str(error))
    if found:
        return {"kind": "unsafe", "error": found[1]}
    return {"kind": "damaged", "error": (str(error).strip() or repr(error)).splitlines()[0]}


def _apart(tensors: dict[str, Any]) -> dict[str, Any]:
    """Tensors that share no memory, since safetensors holds none that do."""
    seen: set[int] = set()
    out = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        whole = tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes
        # A slice of a larger storage would be written with all of it, or not at all.
        out[name] = tensor.detach() if whole and place not in seen else tensor.detach().clone()
        out[name] = out[name].contiguous()
        seen.add(place)
    return out


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(main(Path(sys.argv[1]), Path(sys.argv[2])))}\n")
