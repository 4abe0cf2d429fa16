"""What the doctor says on its rounds: who is being examined, and what was found of each."""

from __future__ import annotations

from threading import Lock

from mlir_harness.doctor.diagnosis import Diagnosis, State
from mlir_harness.text import plain
from mlir_harness.watch import Bars


class Rounds:
    """A practice.Onlooker: a bar on a terminal, lines in a log, and a line for what was found."""

    def __init__(self, bars: Bars, total: int) -> None:
        self._bars = bars
        self._now: dict[str, str] = {}
        self._lock = Lock()
        bars.start("examining", total)

    def begun(self, name: str, check: str) -> None:
        with self._lock:
            if name not in self._now and not self._bars.drawn:
                self._bars.note(f"examining {plain(name)}")
            self._now[name] = check
            self._draw()

    def found(self, diagnosis: Diagnosis) -> None:
        with self._lock:
            self._now.pop(diagnosis.choice.label, None)
            self._bars.texts(1, 0)
            self._draw()
            if diagnosis.state is not State.SCHEME:
                self._bars.note(_line(diagnosis))

    def _draw(self) -> None:
        work = (f"{plain(name, 24)} {check}".strip() for name, check in self._now.items())
        self._bars.retitle(" and ".join(work) or "examining")


def _line(diagnosis: Diagnosis) -> str:
    score = f", {diagnosis.score} checks passed" if diagnosis.score else ""
    name, state = plain(diagnosis.choice.label), diagnosis.state.value
    return f"{name}: {state}{score}, {diagnosis.seconds:.1f} s"
