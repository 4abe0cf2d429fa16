"""MTOP: what is asked and relevant, which settings there are, and what its files may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtop_samples import LANGUAGES, line, write_lines, write_mtop

from mlir_harness import check
from mlir_harness.errors import DataError, Unavailable, UsageError
from mlir_harness.protocols import TaskOptions
from mlir_harness.types import Retrieval, Role, SettingKind
from mlir_tasks.mtop import mtop
from mlir_tasks.mtop_files import read_mtop
from mlir_tasks.mtop_parallel import mtop_parallel

FORM = "[IN:GET_WEATHER [SL:DATE_TIME today ] ]"


def load(folder: Path, *languages: str, variant: str = "", **more: Any) -> Retrieval:
    options = TaskOptions(languages=languages, data_dir=str(folder), **more)
    return mtop(variant).load(options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mtop(tmp_path_factory.mktemp("mtop"))


class TestExemplars:
    def test_it_keeps_its_contract(self, folder: Path) -> None:
        check.check(load(folder), "mtop")
        check.check_info(mtop().info, "mtop")

    def test_low_resource_languages_ask_and_all_answer(self, folder: Path) -> None:
        retrieval = load(folder)
        assert set(retrieval.queries) == {"hi", "th"}
        assert set(retrieval.documents) == set(LANGUAGES)
        assert set(load(folder, "en", "hi").queries) == {"en", "hi"}

    def test_a_query_that_train_holds_is_left_out_and_counted(self, folder: Path) -> None:
        retrieval = load(folder)
        assert retrieval.queries["hi"].ids[0] == "0201"
        assert len(retrieval.queries["hi"]) == 11
        assert any(
            "left out" in note and "hi 1, th 1" in note for note in retrieval.provenance.notes
        )

    def test_grades_are_2_for_the_template_and_1_for_the_intent(self, folder: Path) -> None:
        retrieval = load(folder)
        queries, documents = retrieval.queries["hi"], retrieval.documents["th"]
        found = retrieval.judgements["hi", "th"].rows(slice(0, len(queries)))
        for row, name in enumerate(queries.ids):
            number = int(name) - 200
            expected = {
                each: 1 + ((each % 3 == 0) == (number % 3 == 0))
                for each in range(len(documents))
                if each % 2 == number % 2
            }
            own = slice(found.indptr[row], found.indptr[row + 1])
            grades = zip(found.documents[own].tolist(), found.grades[own].tolist(), strict=True)
            assert dict(grades) == expected

    def test_judgements_of_a_part_are_part_of_the_judgements(self, folder: Path) -> None:
        judged = load(folder).judgements["hi", "en"]
        whole, part = judged.rows(slice(0, 11)), judged.rows(slice(3, 7))
        own = slice(whole.indptr[3], whole.indptr[7])
        np.testing.assert_array_equal(part.documents, whole.documents[own])
        np.testing.assert_array_equal(part.grades, whole.grades[own])
        assert len(judged.rows(slice(11, 20))) == 0

    def test_settings(self, folder: Path) -> None:
        settings = load(folder).settings
        assert len(settings) == 2 * (1 + 5 + 1 + 2 * 4 * 5)
        assert len({each.id for each in settings}) == len(settings)
        full = [each for each in settings if not each.variant and each.query_language == "hi"]
        assert [each.id for each in full] == [
            *("hi→hi", "hi→en", "hi→de", "hi→fr", "hi→es", "hi→th", "hi→all"),
        ]
        varied = {each.id: each for each in settings if each.variant == "spis-5/seed-3"}
        alone, pooled = varied["hi→hi/spis-5/seed-3"], varied["hi→all/spis-5/seed-3"]
        assert alone.kind is SettingKind.MONOLINGUAL
        assert pooled.kind is SettingKind.MULTILINGUAL
        own = {part.language: part.rows for part in pooled.pool}
        assert own.pop("hi") is not None
        assert set(own) == set(LANGUAGES) - {"hi"}
        assert all(rows is None for rows in own.values())

    def test_a_variant_is_a_part_of_the_settings(self, folder: Path) -> None:
        few = load(folder, variant="spis-10")
        assert {each.variant for each in few.settings} == {f"spis-10/seed-{n}" for n in range(5)}
        assert {each.variant for each in load(folder, variant="full").settings} == {""}
        with pytest.raises(UsageError, match="no variant 'spis-2'"):
            mtop("spis-2")

    def test_intents_are_labels(self, folder: Path) -> None:
        labels = load(folder).labels
        assert set(labels[Role.QUERY]["hi"]) == {"IN:GET_WEATHER", "IN:CREATE_ALARM"}
        assert len(labels[Role.DOCUMENT]["en"]) == 12

    def test_eval_is_a_split(self, folder: Path) -> None:
        assert load(folder, split="eval").queries["hi"].ids[0] == "0101"
        with pytest.raises(UsageError, match="no split 'dev'"):
            load(folder, split="dev")

    def test_missing_files_are_named(self, folder: Path, tmp_path: Path) -> None:
        other = write_mtop(tmp_path / "mtop")
        (other / "hi" / "test.txt").unlink()
        with pytest.raises(DataError, match=r"lacks hi/test\.txt of mtop"):
            load(other)
        with pytest.raises(Unavailable):
            mtop().load(TaskOptions(data="real", cache_dir=str(tmp_path)))


class TestParallel:
    def load(self, folder: Path, *languages: str) -> Retrieval:
        return mtop_parallel().load(TaskOptions(languages=languages, data_dir=str(folder)))

    def test_it_keeps_its_contract(self, folder: Path) -> None:
        check.check(self.load(folder), "mtop-parallel")

    def test_settings_are_pairs_and_pools_without_the_own_language(self, folder: Path) -> None:
        settings = self.load(folder, "hi", "th", "en").settings
        assert [each.id for each in settings if each.kind is SettingKind.MULTILINGUAL] == [
            *("en→all", "hi→all", "th→all")
        ]
        (pooled,) = (each for each in settings if each.id == "hi→all")
        assert pooled.document_languages == ("en", "th")
        assert len(settings) == 6 + 3

    def test_relevant_are_translations_and_what_reads_like_them(self, tmp_path: Path) -> None:
        weather = "[IN:GET_WEATHER ]"
        write_lines(
            tmp_path / "hi" / "test.txt", [line("1", "a", weather), line("2", "b", weather)]
        )
        english = [
            line("2", "Rain?", weather, "en"),
            line("7", "rain? ", weather, "en"),
            line("1", "Sun?", weather, "en"),
        ]
        write_lines(tmp_path / "en" / "test.txt", english)
        retrieval = self.load(tmp_path, "hi", "en")
        found = retrieval.judgements["hi", "en"].rows(slice(0, 2))
        assert [found.documents[:1].tolist(), found.documents[1:].tolist()] == [[2], [0, 1]]

    def test_one_language_has_no_parallel(self, folder: Path) -> None:
        with pytest.raises(UsageError, match="two languages"):
            self.load(folder, "hi")

    def test_files_without_a_shared_id(self, tmp_path: Path) -> None:
        for number, language in enumerate(("hi", "th")):
            text = line(str(number), "a", "[IN:GET_WEATHER ]", language)
            write_lines(tmp_path / language / "test.txt", [text])
        with pytest.raises(DataError, match="no two languages share an id"):
            self.load(tmp_path, "hi", "th")


class TestFiles:
    def read(self, tmp_path: Path, content: bytes) -> Any:
        file = tmp_path / "train.txt"
        file.write_bytes(content)
        return read_mtop(file, "hi", "Take it.")

    def test_ids_are_strings_whatever_they_look_like(self, tmp_path: Path) -> None:
        names = ["0012", "12", "1e5", "nan", "3232353138333038999999"]
        lines = [line(name, f"text {name}", FORM) for name in names]
        content = "".join(f"{each}\n" for each in lines).encode()
        assert [each.id for each in self.read(tmp_path, content)] == names

    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_ends_of_lines_and_byte_order_marks(
        self, tmp_path: Path, mark: bytes, end: bytes
    ) -> None:
        between = end or b"\n"
        lines = [line("1", "एक", FORM).encode(), line("2", "दो", FORM).encode()]
        found = self.read(tmp_path, mark + between.join(lines) + end)
        assert [(each.id, each.text) for each in found] == [("1", "एक"), ("2", "दो")]

    @pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", '"'])
    def test_only_a_line_feed_ends_a_line(self, tmp_path: Path, odd: str) -> None:
        found = self.read(tmp_path, line("1", f"a {odd} b", FORM).encode())
        assert [each.text for each in found] == [f"a {odd} b"]

    @pytest.mark.parametrize(
        ("bad", "said"),
        [
            ("1\tIN:GET_WEATHER\ttext", "line 2: 3 columns, not 8"),
            ("\nx", "line 3: 1 columns, not 8"),  # a blank line is passed over, and counted
            (
                line("2", "a", "[IN:A [SL:B " * 300 + "] " * 600),
                "line 2, column 319: decoupled form: '[IN:A' is nested deeper than 50",
            ),
            (line("2", "a\tb", FORM), "line 2: 9 columns, not 8: a stray tab?"),
            (line(" ", "a", FORM), "line 2: the id is missing"),
            (line("2", " ", FORM), "line 2: the utterance is missing"),
            (
                line("2", "a", FORM).replace("IN:GET_WEATHER", " ", 1),
                "line 2: the intent is missing",
            ),
            (line("2", "a", FORM, "th"), "line 2: locale 'th_XX' in a file of the language 'hi'"),
            (line("1", "b", FORM), "line 2: duplicate id '1', first in line 1"),
            (
                line("2", "a", FORM, intent="IN:SET_ALARM"),
                "line 2: intent 'IN:SET_ALARM', but its decoupled form begins with 'IN:GET_W",
            ),
            (
                line("2", "a", "[IN:GET_WEATHER [SL:DATE_TIME today ]"),
                "line 2, column 29: decoupled form: unbalanced brackets: '[IN:GET_WEATHER' is not",
            ),
        ],
    )
    def test_what_is_wrong_is_named_with_its_place(
        self, tmp_path: Path, bad: str, said: str
    ) -> None:
        good = line("1", "x", FORM)
        with pytest.raises(DataError) as caught:
            self.read(tmp_path, f"{good}\n{bad}\n".encode())
        assert said in caught.value.message
        assert "train.txt, line " in caught.value.message
        assert caught.value.hint == "Take it."

    def test_the_column_is_that_of_the_line(self, tmp_path: Path) -> None:
        text = line("2", "a", "[IN:GET_WEATHER [SL:DATE_TIME today ]")
        with pytest.raises(DataError, match="column 29"):
            self.read(tmp_path, f"{text}\n".encode())
        assert text[28:].startswith("[IN:GET_WEATHER [")

    @pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \n", b"\n\n"])
    def test_blank_lines_are_passed_over(self, tmp_path: Path, blank: bytes) -> None:
        lines = [line(name, "x", FORM).encode() + b"\n" for name in ("1", "2")]
        found = self.read(tmp_path, blank.join([*lines, b""]))
        assert [each.id for each in found] == ["1", "2"]

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"train.txt: No such file"):
            read_mtop(tmp_path / "train.txt", "hi")

    @pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\n"])
    def test_an_empty_file(self, tmp_path: Path, content: bytes) -> None:
        with pytest.raises(DataError, match=r"train.txt: holds no utterance"):
            self.read(tmp_path, content)

    def test_not_utf8(self, tmp_path: Path) -> None:
        bad = line("1", "é", FORM).encode("latin-1")
        with pytest.raises(DataError, match="line 1: not UTF-8"):
            self.read(tmp_path, bad)


@pytest.mark.data
class TestRealFiles:
    @pytest.fixture
    def real(self, real_data: Path) -> Path:
        if not (real_data / "mtop").is_dir():
            pytest.skip("no mtop among the real data")
        return real_data / "mtop"

    def test_sizes_and_overlap(self, real: Path) -> None:
        retrieval = load(real, split="eval")
        assert {x: len(held) for x, held in retrieval.documents.items()} == {
            **{"en": 15560, "de": 10176, "fr": 8776},
            **{"es": 8277, "hi": 8524, "th": 7974},
        }
        assert {x: len(held) for x, held in retrieval.queries.items()} == {"hi": 851, "th": 848}
        check.check(retrieval, "mtop")

    def test_the_file_of_the_publisher_ends_without_a_line_feed(self, real: Path) -> None:
        assert len(read_mtop(real / "en" / "eval.txt", "en")) == 2235
