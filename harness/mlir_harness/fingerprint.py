"""What results and cached vectors are keyed by: hashes of data, protocol and encoder.

Batch sizes, devices, threads and paths are in none of them: they may not change a score.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xxhash

from mlir_harness.protocols import EncoderInfo
from mlir_harness.types import Collection, IntArray, Retrieval, Setting

_VERSION = "1"  # raised when the hashes below are made in another way
_TEXTS_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """The three identities of a result; two results compare only if the first two agree."""

    data: str
    protocol: str
    encoder: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def text_bytes(text: str) -> bytes:
    """UTF-8; a lone surrogate, which UTF-8 forbids, keeps an encoding of its own."""
    return text.encode("utf-8", "surrogatepass")


def text_hashes(texts: Sequence[str]) -> IntArray:
    """128-bit hashes of texts: (n, 2) int64. Holds no more than a few thousand texts at once."""
    hashes = np.empty((len(texts), 2), np.int64)
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        batch = texts[start : start + _TEXTS_AT_ONCE]
        digests = b"".join(xxhash.xxh3_128_digest(text_bytes(text)) for text in batch)
        hashes[start : start + len(batch)] = np.frombuffer(digests, np.int64).reshape(-1, 2)
    return hashes


def of_json(kind: str, value: Any) -> str:
    """Hash of a JSON value, whatever the order of its keys."""
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return xxhash.xxh3_128_hexdigest(f"{kind}:{_VERSION}:{canonical}".encode())


def of_texts(kind: str, parts: Mapping[str, str], texts: Iterable[str]) -> str:
    """Hash of a list of texts under some named parts."""
    state = xxhash.xxh3_128(of_json(kind, dict(parts)).encode())
    for text in texts:
        encoded = text_bytes(text)
        state.update(len(encoded).to_bytes(8, "little"))
        state.update(encoded)
    return state.hexdigest()


def of_data(parts: Mapping[str, str]) -> str:
    """Hash of a task's content, of the hashes of its parts."""
    return of_json("data", dict(parts))


def data_parts(retrieval: Retrieval) -> dict[str, str]:
    """Hashes of the content: ids, texts, judgements, clusters, labels, in their order.

    What the settings asked for do not use is there too. Keys are "queries hi", "documents hi",
    "judgements hi→en", "clusters hi", "query labels hi": what differs between two can be named.
    """
    parts: dict[str, str] = {}
    for role, held in (("queries", retrieval.queries), ("documents", retrieval.documents)):
        parts |= {f"{role} {language}": _collection(each) for language, each in held.items()}
    for (asked, found), judgements in retrieval.judgements.items():
        state = xxhash.xxh3_128()
        for start in range(0, len(retrieval.queries[asked]), _TEXTS_AT_ONCE):
            relevant = judgements.rows(slice(start, start + _TEXTS_AT_ONCE))
            for array in (relevant.indptr, relevant.documents, relevant.grades):
                state.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
        parts[f"judgements {asked}→{found}"] = state.hexdigest()
    named = {"clusters": retrieval.clusters}
    named |= {f"{role.value} labels": held for role, held in retrieval.labels.items()}
    for name, values in named.items():
        parts |= {f"{name} {key}": of_texts(name, {}, held) for key, held in values.items()}
    return parts


def _collection(collection: Collection) -> str:
    state = xxhash.xxh3_128(of_texts("ids", {}, collection.ids).encode())
    state.update(np.ascontiguousarray(text_hashes(collection.texts), "<i8").tobytes())
    return state.hexdigest()


def of_corpus(documents: Iterable[Collection]) -> str:
    """Hash of documents' languages and texts, in whatever order the languages come."""
    state = xxhash.xxh3_128(f"corpus:{_VERSION}".encode())
    for collection in sorted(documents, key=lambda each: each.language):
        state.update(of_json("language", [collection.language, len(collection)]).encode())
        state.update(np.ascontiguousarray(text_hashes(collection.texts), "<i8").tobytes())
    return state.hexdigest()


def of_protocol(parts: Mapping[str, str]) -> str:
    """Hash of how scores are made, of its parts."""
    return of_json("protocol", dict(parts))


def protocol_parts(
    task: str,
    version: str,
    split: str,
    settings: Sequence[Setting],
    measures: Mapping[str, str],
    **choices: str,
) -> dict[str, str]:
    """How scores are made: task and split, measures and their versions, choices, settings.

    Keys are "task", "version", "split", "measure AP", "setting hi→en" and the names of choices.
    """
    return {
        "task": task,
        "version": version,
        "split": split,
        **{f"measure {name}": version for name, version in measures.items()},
        **{f"setting {each.id}": of_json("setting", _setting(each)) for each in settings},
        **choices,
    }


def _setting(setting: Setting) -> list[Any]:
    pool = [
        [
            part.language,
            None
            if part.rows is None
            else xxhash.xxh3_128_hexdigest(np.ascontiguousarray(part.rows, "<i8").tobytes()),
        ]
        for part in setting.pool
    ]
    return [setting.id, setting.kind.value, setting.query_language, setting.variant, pool]


def of_encoder(origin: str, info: EncoderInfo) -> str:
    """Hash of everything an encoder declares that its vectors depend on.

    Args:
        origin: what distinguishes plugins of equal revision: distribution and entry point.
        info: the encoder's own words.
    """
    return of_json(
        "encoder",
        {
            "origin": origin,
            "revision": info.revision,
            "options": dict(info.options),
            "similarity": info.similarity,
            "language_aware": info.language_aware,
            "max_tokens": info.max_tokens,
        },
    )
