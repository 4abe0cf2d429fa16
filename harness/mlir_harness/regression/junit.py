"""A check as JUnit XML: a test case per mean."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from mlir_harness.regression import wording
from mlir_harness.regression.checking import Checked
from mlir_harness.regression.verdicts import FAILURES, Row, Verdict
from mlir_harness.text import plain

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def checked(found: Checked, file: str) -> bytes:
    """The file. What fell or is missing has failed; what cannot be compared is an error."""
    told = wording.words(found, file)
    counts = found.counts()
    suite = Xml.Element(
        "testsuite",
        name="mlir-harness check",
        tests=str(len(found.rows)),
        failures=str(sum(counts.get(verdict, 0) for verdict in FAILURES)),
        errors=str(counts.get(Verdict.INCOMPARABLE, 0)),
        skipped="0",
    )
    for row in found.rows:
        _case(suite, row)
    lines = [told.result, *told.reasons, *told.notes, *told.advice]
    Xml.SubElement(suite, "system-out").text = _safe("\n".join(lines))
    root = Xml.Element("testsuites")
    root.append(suite)
    Xml.indent(root, " ")
    text: bytes = Xml.tostring(root, "utf-8", xml_declaration=True)
    return text + b"\n"


def _case(suite: Xml.Element, row: Row) -> None:
    key = row.pair.key
    named = {
        "classname": f"{plain(key.task, 60)}.{plain(key.encoder, 60)}",
        "name": f"{wording.kind(row)} {plain(row.pair.gate.measure, 60)} ({plain(key.split)})",
    }
    case = Xml.SubElement(suite, "testcase", {name: _safe(text) for name, text in named.items()})
    sentence = _safe(wording.sentence(row))
    if row.verdict in FAILURES or row.verdict is Verdict.INCOMPARABLE:
        kind = "failure" if row.verdict in FAILURES else "error"
        told = Xml.SubElement(case, kind, type=str(row.verdict), message=sentence)
        told.text = sentence
    else:
        Xml.SubElement(case, "system-out").text = f"{row.verdict}: {sentence}"


def _safe(text: str) -> str:
    """Without the characters that no XML may hold."""
    return _NOT_XML.sub("�", text)
