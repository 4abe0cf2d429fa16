"""The public door for notebooks, scripts and trainers: `evaluate(...)`, what was seen, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlir_harness import contamination, prepare, references, registry, runner
from mlir_harness import precision as precisions
from mlir_harness.contamination import Exposure
from mlir_harness.errors import UsageError
from mlir_harness.loading import LoadedTask
from mlir_harness.making import make_encoder
from mlir_harness.protocols import Trainable
from mlir_harness.report import Report
from mlir_harness.results import CellResult
from mlir_harness.text import names, plain
from mlir_harness.types import Retrieval

if TYPE_CHECKING:
    from mlir_harness.regression.checking import Checked

__all__ = ["CellResult", "Report", "check", "evaluate", "exposure", "load", "weights_of"]


def evaluate(
    encoders: str | Sequence[str],
    tasks: str | Sequence[str],
    *,
    languages: str | Sequence[str] = (),
    settings: str | Sequence[str] = (),
    split: str = "",
    data: Literal["auto", "real", "sample"] = "auto",
    data_dir: str | Path | None = None,
    strict: bool = False,
    download: bool = False,
    output: str | Path | None = None,
    cache_dir: str | Path | None = None,
    fresh: bool = False,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    token_budget: int | None = None,
    ties: Literal["hash", "trec"] = "hash",
    gain: Literal["linear", "exponential"] = "linear",
    depth: int | None = None,
    search: str = "exact",
    weights: Mapping[str, str | Path] | None = None,
    checkpoints: str | Path | None = None,
    isolate: bool = False,
    timeout: float | None = None,
    reference: str | Sequence[str] = (),
) -> Report:
    """Evaluate encoders on tasks, as `mlir-harness run` does.

    Args:
        encoders, tasks: names: "hashing", "st:FOLDER", "py:module:attribute"; several as a list,
            or as on the command line, separated by commas.
        languages: BCP-47 tags to keep, as a list or separated by commas; () for all.
        settings: of "mono", "cross", "multi", likewise; () for all.
        split: "" for each task's default.
        data: "real" files, the bundled "sample", or "auto": the sample where there are none.
        data_dir: folder with the tasks' files, or with one folder per task.
        strict: flaws in the data that are otherwise noted are errors.
        download: fetch what is missing of tasks asked for by name, and of the encoders that "all"
            brings in. What an encoder asked for by name needs is fetched in any case, unless its
            weights are given; the log `mlir_harness` says so first, with sizes and licences.
        output: folder to store results in, and to answer from; None for neither.
        cache_dir: folder for vectors; None for the user's cache.
        fresh: compute again what is stored.
        options: plugin name -> its options.
        device, precision, token_budget: for encoders that know them.
        ties: "hash" or "trec" (trec_eval's order of names).
        gain: of nDCG.
        depth: documents per query in the top lists; None for the task's own.
        search: "exact", or "faiss:FACTORY" to compare an index with it; needs faiss-cpu.
        weights: encoder name -> the folder with its weights.
        checkpoints: where trained encoders are; None for $MLIR_HARNESS_CHECKPOINTS, else
            the folder `checkpoints`.
        isolate: each encoder works in a process of its own, so that a crash costs one cell.
        timeout: seconds it may go without finishing a batch; implies `isolate`.
        reference: published figures to show beside the results, "published" for all.

    Raises:
        UsageError: a name, language or option is unknown.
    """
    sources = references.chosen(names(reference))
    offered: dict[str, Any] = {"device": device, "precision": precision}
    if token_budget is not None:
        offered["token_budget"] = token_budget
    request = runner.Request(
        encoders=names(encoders),
        tasks=names(tasks),
        languages=names(languages),
        settings=names(settings),
        split=split,
        data=data,
        data_dir=None if data_dir is None else str(data_dir),
        strict=strict,
        download=download,
        output=None if output is None else Path(output),
        cache_dir=None if cache_dir is None else Path(cache_dir),
        fresh=fresh,
        options=options or {},
        offered=offered,
        ties=ties,
        gain=gain,
        depth=depth,
        search=search,
        weights={name: str(folder) for name, folder in (weights or {}).items()},
        checkpoints=None if checkpoints is None else Path(checkpoints),
        isolate=isolate or timeout is not None,
        timeout=runner.TIMEOUT if timeout is None else timeout,
    )
    watcher = runner.Silent()
    prepared = runner.prepare(request, watcher)
    cells = list(runner.run(prepared, watcher))
    return Report(tuple(precisions.compared(cells, prepared.request.output)), sources)


def check(
    report: Report,
    baseline: str | Path,
    *,
    measures: str | Sequence[str] = (),
    deltas: Mapping[str, float] | None = None,
    per_language: bool = False,
    pin_encoder: bool = False,
) -> Checked:
    """Hold what was evaluated against a baseline, as `mlir-harness check` does.

    Args:
        report: of `evaluate` with an `output`; values per query are read from there.
        baseline: the file.
        measures: of the baseline's; () for all of them.
        deltas: measure -> the drop that is let pass, in the place of the baseline's.
        per_language: judge the languages of queries too.
        pin_encoder: another encoder is incomparable.

    Raises:
        UsageError: there is no such baseline, or it is damaged, or a measure is not in it.
        IncomparableError: they have no cell in common.
    """
    from mlir_harness.regression import checking, file, gates, gathering

    held = file.read(Path(baseline))
    chosen = gates.chosen(held.gates, names(measures), deltas or {})
    found = gathering.evaluated(report.cells, [*chosen], variants=held.variants)
    checking.demand_common(held, found)
    return checking.check(held, found, chosen, languages=per_language, pin_encoder=pin_encoder)


def exposure(
    folder: str | Path,
    task: str,
    *,
    data: Literal["auto", "real", "sample"] = "auto",
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Exposure:
    """How much of a task's default split is in a record of training texts.

    Args:
        folder: with the record.
        task, data, data_dir, cache_dir: see `evaluate`.

    Raises:
        HarnessError: there is no such task, its data is not here, or the record is damaged.
    """
    loaded = _loaded(task, "", data, data_dir, cache_dir)
    return contamination.check(
        contamination.load(Path(folder)),
        loaded.retrieval,
        translated=loaded.info.translated,
        parallel=loaded.info.parallel,
    )


def load(
    task: str,
    *,
    split: str = "",
    data: Literal["auto", "real", "sample"] = "auto",
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Retrieval:
    """The data that `evaluate` would evaluate on; arguments are those of `evaluate`.

    Raises:
        HarnessError: there is no such task, or its data is not here or malformed.
    """
    return _loaded(task, split, data, data_dir, cache_dir).retrieval


def _loaded(
    task: str,
    split: str,
    data: Literal["auto", "real", "sample"],
    data_dir: str | Path | None,
    cache_dir: str | Path | None,
) -> LoadedTask:
    request = runner.Request(
        encoders=(),
        tasks=(task,),
        split=split,
        data=data,
        data_dir=None if data_dir is None else str(data_dir),
        cache_dir=None if cache_dir is None else Path(cache_dir),
    )
    return prepare.load(*prepare.make(task), request, runner.Silent())


def weights_of(
    encoder: str,
    *,
    weights: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Path:
    """The folder with an encoder's weights, from which training can begin.

    Args:
        encoder: a name, such as "xlmr" or "st:FOLDER".
        weights: the folder, where the encoder's own are not to be taken; it is checked to be of
            the encoder's architecture.
        cache_dir: where fetched weights are; None for the user's cache.

    Raises:
        Unavailable: they are not here; the hint is the command that fetches them.
        UsageError: there is no such encoder, or it has no weights that could be trained.
    """
    choice = registry.resolve(registry.Kind.ENCODER, encoder)
    given = {} if weights is None else {choice.label: str(weights)}
    request = runner.Request(
        encoders=(encoder,),
        tasks=(),
        weights=given,
        cache_dir=None if cache_dir is None else Path(cache_dir),
    ).checked()
    ready = make_encoder(choice, request, runner.Silent())
    try:
        if not isinstance(ready.encoder, Trainable):
            raise UsageError(
                f"encoder {plain(encoder)} has no weights that can be trained",
                "Begin with xlmr, labse, mdeberta or st:FOLDER.",
            )
        return Path(ready.encoder.weights)
    finally:
        ready.close()
