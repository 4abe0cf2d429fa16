"""What docs/plugins.md shows works as shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlir_harness import protocols
from mlir_harness.testing import check_encoder

TEXT = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text("utf-8")


def test_the_smallest_encoder_keeps_the_contract() -> None:
    code = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)[0]
    names: dict[str, Any] = {}
    exec(compile(code, "docs/plugins.md", "exec"), names)
    lengths: Callable[[], Any] = names["Lengths"]
    found = {each.check: each.result for each in check_encoder(lengths)}
    assert found["order"] == "passed"


def test_each_protocol_is_explained_by_its_own_names() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*?`(\w+)[(`]", TEXT, re.MULTILINE)
    assert {name for name, _ in rows} >= {"Counts", "Closes", "Fits", "Fetches", "Finishes"}
    for name, member in rows:
        assert hasattr(getattr(protocols, name), member), name
