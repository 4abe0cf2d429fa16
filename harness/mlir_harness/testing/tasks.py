"""Checks of tasks: what they load keeps the contract, the same each time, and as declared."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

from mlir_harness import check, fingerprint
from mlir_harness.errors import DataError, HarnessError, UsageError
from mlir_harness.fetching.homes import paths
from mlir_harness.protocols import Download, Fetches
from mlir_harness.testing import state
from mlir_harness.testing.checks import Check, NotApplicable
from mlir_harness.testing.languages import are_tags
from mlir_harness.testing.loaded import Loadable, said
from mlir_harness.text import plain
from mlir_harness.types import Retrieval, Setting, SettingKind

_UNKNOWN = "x-unknown"


def _info(task: Loadable) -> Iterator[str]:
    info = task.info
    check.check_info(info, task.name)
    if not isinstance(info.version, str) or not info.version:
        raise DataError("info.version is missing", 'Begin with "1"; raise it when scores change.')
    if not are_tags(info.languages):
        raise DataError(
            f"info.languages is {plain(repr(info.languages), 60)}, not a tuple of language tags",
            'Write ("en", "hi"), in the order tables show them.',
        )
    missing = [name for name in ("description", "licence") if not getattr(info, name)]
    if missing:
        yield f"info has no {' and no '.join(missing)}"


def _loads(task: Loadable) -> Iterator[str]:
    retrieval = task.load()
    said("reading what it loaded", lambda: check.check(retrieval, task.name))
    if not said("reading its judgements", lambda: check.answerable(retrieval)):
        raise DataError(
            "no query has a relevant document in any setting",
            "Look whether the judgements name the queries and documents that are there.",
        )
    asked = {setting.query_language for setting in retrieval.settings}
    for language in sorted(asked - set(retrieval.clusters)):
        yield f"no clusters for {plain(language)}"


def _again(task: Loadable) -> None:
    first, second = task.usual(), task.another().load()
    if fingerprint.data_parts(first) != fingerprint.data_parts(second):
        raise DataError(
            "loaded a second time it has other data",
            "Sort what comes from a set or a folder, and seed what is drawn.",
        )
    if _shapes(first.settings) != _shapes(second.settings):
        raise DataError(
            "loaded a second time it has other settings", "Their ids, order and pools are fixed."
        )


def _shapes(settings: tuple[Setting, ...]) -> list[tuple[object, ...]]:
    return [
        (each.id, each.kind, each.query_language, each.document_languages, each.variant)
        for each in settings
    ]


def _declared(task: Loadable) -> Iterator[str]:
    declared = task.info.languages
    retrieval = task.usual()
    found = _languages(retrieval)
    if not declared:
        yield "info.languages is empty: it may hold any"
        return
    unknown = sorted(found - set(declared))
    if unknown:
        raise DataError(
            f"it loads {', '.join(map(plain, unknown))}, which info.languages does not name",
            "Name every language there may be.",
        )
    absent = [language for language in declared if language not in found]
    if absent:
        yield f"not in what was loaded: {', '.join(absent)}"


def _languages(retrieval: Retrieval) -> set[str]:
    return {*retrieval.queries, *retrieval.documents}


def _kinds(task: Loadable) -> None:
    for setting in task.usual().settings:
        pool = setting.document_languages
        expected = (
            SettingKind.MULTILINGUAL
            if len(pool) > 1
            else SettingKind.MONOLINGUAL
            if pool == (setting.query_language,)
            else SettingKind.CROSS_LINGUAL
        )
        # With one language kept, the multilingual pool holds it alone.
        if setting.kind is not expected and setting.kind is not SettingKind.MULTILINGUAL:
            raise DataError(
                f"setting {plain(setting.id)!r} is called {setting.kind.value}, and its pool is "
                f"{', '.join(map(plain, pool))} for queries in {plain(setting.query_language)}",
                f"Make it {expected.value}.",
            )


def _restricted(task: Loadable) -> Iterator[str]:
    whole = task.usual()
    if len(_languages(whole)) < 2:
        raise NotApplicable("it has one language")
    kept, retrieval = _fewer(task, whole)
    asked = {setting.query_language for setting in retrieval.settings}
    pooled = {each for setting in retrieval.settings for each in setting.document_languages}
    if asked - set(kept):
        raise DataError(
            f"asked for {', '.join(map(plain, kept))} it has queries in "
            f"{', '.join(map(plain, sorted(asked - set(kept))))} too",
            "Keep to options.languages.",
        )
    if pooled - set(kept):
        yield "documents of languages that were not asked for are ranked too"
    before = {setting.id: setting for setting in whole.settings}
    for setting in retrieval.settings:
        other = before.get(setting.id)
        if other is None or (other.kind, other.query_language, other.variant) != (
            setting.kind,
            setting.query_language,
            setting.variant,
        ):
            raise DataError(
                f"with fewer languages there is a setting {plain(setting.id)!r} that is "
                f"{'not there' if other is None else 'another'} with all",
                "Ids name what is asked: results of two runs are compared by them.",
            )


def _fewer(task: Loadable, whole: Retrieval) -> tuple[tuple[str, ...], Retrieval]:
    """Languages that the task can be restricted to, and what it loads then: one, else two."""
    setting = whole.settings[0]
    pairs = [(setting.query_language, each) for each in setting.document_languages]
    pairs += [(each.query_language, *each.document_languages) for each in whole.settings]  # type: ignore[misc]
    error: HarnessError | None = None
    for kept in [(setting.query_language,), *pairs]:
        chosen = tuple(dict.fromkeys(kept))
        if len(chosen) > 2:
            continue
        try:
            return chosen, task.load(languages=chosen)
        except HarnessError as refused:
            error = error or refused
    if len(_languages(whole)) == 2:
        raise NotApplicable("both its languages are needed")
    raise DataError(
        f"it cannot be restricted to languages: {error.message if error else ''}",
        "Load what options.languages names, and the settings between them.",
    )


def _unknown_language(task: Loadable) -> None:
    task.usual()
    if not task.info.languages:
        raise NotApplicable("it may hold any language")
    _demand_refused(task, "language", languages=(_UNKNOWN,))


def _unknown_split(task: Loadable) -> None:
    task.usual()
    _demand_refused(task, "split", split=_UNKNOWN)


def _demand_refused(task: Loadable, what: str, **changes: object) -> None:
    try:
        task.load(**changes)
    except UsageError:
        return
    except HarnessError as error:
        raise DataError(
            f"an unknown {what} is refused with {type(error).__name__}: {error.message}",
            "Raise mlir_harness.errors.UsageError(message, hint), before files are looked for.",
        ) from error
    raise DataError(
        f"an unknown {what} is accepted",
        f"Raise mlir_harness.errors.UsageError(message, hint) for a {what} that it has not.",
    )


def _unknown_option(task: Loadable) -> Iterator[str]:
    task.usual()
    try:
        task.load(extra={**task.options.extra, _UNKNOWN: "1"})
    except UsageError:
        return
    yield "an unknown option (--option NAME.key=value) is taken without a word"


def _missing(task: Loadable) -> None:
    task.usual()
    with tempfile.TemporaryDirectory() as empty:
        try:
            task.load(data="real", data_dir=empty)
        except HarnessError as error:
            if not error.hint:
                raise DataError(
                    f"it says that files are missing, and not what to do: {error.message}",
                    "Give the error a hint: where the files are from.",
                ) from error
            return
    raise NotApplicable("it reads no files")


def _provenance(task: Loadable) -> Iterator[str]:
    provenance = task.usual().provenance
    if not provenance.source:
        raise DataError("provenance.source is empty", "Say where the data is from.")
    if task.options.data == "sample" and not provenance.sample:
        yield "asked for its sample it gives what it calls real data"
    missing = [name for name in ("revision", "licence") if not getattr(provenance, name)]
    if missing and not provenance.sample:
        yield f"provenance has no {' and no '.join(missing)}"


def _downloads(task: Loadable) -> None:
    made = task.task
    if not isinstance(made, Fetches):
        raise NotApplicable("it has no `downloads`")
    listed = said("listing its downloads", lambda: list(made.downloads(())))
    wanted: list[str] = []
    for one in listed:
        if not isinstance(one, Download):
            raise DataError(
                f"`downloads` lists a {plain(type(one).__name__)}", "List protocols.Download."
            )
        if not one.url.startswith(("https://", "http://", "hf://")):
            raise DataError(
                f"{plain(one.url)} is no address to download from", "Use https:// or hf://."
            )
        wanted += paths(one)
    if len(set(wanted)) < len(wanted):
        raise DataError("one file is to come from two places", "Name each path once.")


def _state(task: Loadable) -> Iterator[str]:
    task.usual()
    other = task.another()
    with state.elsewhere():
        before = state.snapshot()
        with state.printing() as printed:
            other.load()
            after = state.snapshot()
    after["sys.stdout or sys.stderr"] = before["sys.stdout or sys.stderr"]
    for what, how in state.changed(before, after).items():
        raise DataError(
            f"it changed {what}{f': {how}' if how else ''}",
            "Other plugins share this process: put back what must be changed.",
        )
    if printed.text.strip():
        yield f"prints to standard output: {plain(printed.text.strip(), 60)!r}"


CHECKS: tuple[Check[Loadable], ...] = (
    Check("info", "It says of itself what the harness needs", _info),
    Check("loads", "What it loads can be evaluated: ids, texts, settings, judgements", _loads),
    Check("again", "Loaded twice, data and settings are the same", _again),
    Check("declared-languages", "It loads no language that info does not name", _declared),
    Check("kinds", "Settings are called what they are", _kinds),
    Check("restricted", "It keeps to the languages asked for, and ids stay", _restricted),
    Check("unknown-language", "A language it has not is a UsageError", _unknown_language),
    Check("unknown-split", "A split it has not is a UsageError", _unknown_split),
    Check("unknown-option", "An option it has not is a UsageError", _unknown_option),
    Check("missing-files", "Missing files are explained, with what to do", _missing),
    Check("provenance", "It says where its data is from", _provenance),
    Check("downloads", "What can be fetched has an address and a place of its own", _downloads),
    Check("state", "The process is left as it was found", _state),
)
