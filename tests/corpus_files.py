"""Writes small corpora in the layouts of MIRACL and BEIR, for tests that need one on disk."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PASSAGES = (
    ("10#0", "Bridge", "The bridge over the river was built of stone."),
    ("10#1", "Bridge", "It fell in the flood of the year after."),
    ("20#0", "Mill", "The mill by the river ground flour."),
    ("30#0", "Harbour", "Ships lie in the harbour all winter."),
    ("40#0", "Market", "On Friday the market sells fish."),
)
TOPICS = (("q1", "What was the bridge built of?"), ("q2", "Which day does the market sell fish?"))
QRELS = (("q1", "10#0", 1), ("q1", "20#0", 0), ("q2", "40#0", 1), ("q2", "30#0", 0))


def write_lines(file: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write JSON lines, compressed if the name says so; returns `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records)
    raw = content.encode("utf-8", "surrogatepass")
    # No time stamp: the same records give the same bytes.
    file.write_bytes(gzip.compress(raw, 1, mtime=0) if file.suffix == ".gz" else raw)
    return file


def passages(rows: Sequence[tuple[str, str, str]] = PASSAGES) -> list[dict[str, str]]:
    """Records as MIRACL's files hold them."""
    return [{"docid": name, "title": title, "text": text} for name, title, text in rows]


def write_miracl(
    folder: Path,
    language: str = "sw",
    *,
    shards: Sequence[Sequence[tuple[str, str, str]]] = (PASSAGES[:3], PASSAGES[3:]),
    topics: Sequence[tuple[str, str]] = TOPICS,
    qrels: Sequence[tuple[str, str, int]] = QRELS,
    split: str = "dev",
) -> Path:
    """Write one language in MIRACL's official layout; returns `folder`."""
    write_topics(folder, language, [f"{name}\t{text}" for name, text in topics], split=split)
    lines = [f"{topic}\tQ0\t{document}\t{grade}" for topic, document, grade in qrels]
    write_qrels(folder, language, lines, split=split)
    for number, rows in enumerate(shards):
        write_lines(passage_file(folder, language, number), passages(rows))
    return folder


def passage_file(folder: Path, language: str, number: int) -> Path:
    return folder / f"miracl-corpus-v1.0-{language}" / f"docs-{number}.jsonl.gz"


def write_topics(folder: Path, language: str, lines: Sequence[str], *, split: str = "dev") -> Path:
    return _write_tsv(folder, language, "topics", lines, split)


def write_qrels(folder: Path, language: str, lines: Sequence[str], *, split: str = "dev") -> Path:
    return _write_tsv(folder, language, "qrels", lines, split)


def _write_tsv(folder: Path, language: str, what: str, lines: Sequence[str], split: str) -> Path:
    name = f"miracl-v1.0-{language}"
    file = folder / name / what / f"{what}.{name}-{split}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return file


def write_beir(
    folder: Path,
    *,
    rows: Sequence[tuple[str, str, str]] = PASSAGES,
    queries: Sequence[tuple[str, str]] = TOPICS,
    qrels: Sequence[tuple[str, str, int]] = QRELS,
    split: str = "test",
    form: str = ".jsonl",
) -> Path:
    """Write a data set in BEIR's layout; returns `folder`."""
    documents = [
        {"_id": name, "title": title, "text": text, "metadata": {}} for name, title, text in rows
    ]
    write_lines(folder / f"corpus{form}", documents)
    write_lines(folder / f"queries{form}", [{"_id": name, "text": text} for name, text in queries])
    lines = [f"{query}\t{document}\t{score}\n" for query, document, score in qrels]
    file = folder / "qrels" / f"{split}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(["query-id\tcorpus-id\tscore\n", *lines]), "utf-8")
    return folder
