"""Where the folder of a sentence-transformers model is: a path, or the local hub cache."""

from __future__ import annotations

import re
from pathlib import Path

from mlir_encoders.model_folder import ModelFolder
from mlir_harness.errors import Unavailable, UsageError


def locate(reference: str) -> ModelFolder:
    """The folder that `reference` names: a path, or a hub id that is in the local cache.

    Args:
        reference: FOLDER, or ID, or ID@REVISION (commit, tag or branch).

    Raises:
        Unavailable: nothing is there, or it is not a model that can run without custom code
            and without pickles; the hint says what to do.
        UsageError: a revision was given for a folder.
    """
    path = Path(reference).expanduser()
    if path.is_dir():
        return ModelFolder(path.resolve(), reference)
    name, _, revision = reference.partition("@")
    path = Path(name).expanduser()
    if revision and path.is_dir():
        raise UsageError(
            f"{name} is a folder, and a folder has no revision {revision!r}",
            "leave out the @: a folder is identified by its content",
        )
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name):
        raise Unavailable(
            f"there is no folder {name}", "check the path: it is read relative to where you are"
        )
    return _from_cache(name, revision)


def _from_cache(name: str, revision: str) -> ModelFolder:
    """The snapshot of a hub model in the local cache; the network is never asked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    # Like sentence-transformers: a bare name is first looked for under its own organisation.
    candidates = [name] if "/" in name else [f"sentence-transformers/{name}", name]
    hint = f"hf download {candidates[0]}" + (f" --revision {revision}" if revision else "")
    for candidate in candidates:
        try:
            snapshot = snapshot_download(
                candidate, revision=revision or None, local_files_only=True
            )
        except (LocalEntryNotFoundError, HFValidationError, OSError):
            continue
        # A snapshot folder is named after its commit.
        return ModelFolder(Path(snapshot), name, commit=Path(snapshot).name, fetch=hint)
    at = f" at revision {revision}" if revision else ""
    raise Unavailable(f"{name} is neither a folder nor in the local Hugging Face cache{at}", hint)
