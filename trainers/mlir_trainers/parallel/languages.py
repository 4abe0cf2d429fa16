"""Names of languages as files give them, and the BCP-47 tags they stand for."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache

from mlir_harness.errors import DataError

# ISO 639-3 codes of languages that BCP-47 writes with two letters. Members of a macrolanguage
# have the tag of the macrolanguage where texts are usually labelled so (cmn: zh, arb: ar).
_LONG = """
afr:af amh:am ara:ar arb:ar asm:as aze:az azj:az bel:be ben:bn bos:bs bre:br bul:bg cat:ca ces:cs
cha:ch cmn:zh cor:kw cos:co cym:cy dan:da deu:de ekk:et ell:el eng:en epo:eo est:et eus:eu fao:fo
fas:fa fij:fj fin:fi fra:fr fry:fy gla:gd gle:ga glg:gl grn:gn guj:gu hat:ht hau:ha heb:he hin:hi
hrv:hr hun:hu hye:hy ibo:ig ido:io ile:ie ina:ia ind:id isl:is ita:it jav:jv jpn:ja kan:kn kat:ka
kaz:kk khk:mn khm:km kin:rw kir:ky kor:ko kur:ku lao:lo lat:la lav:lv lit:lt ltz:lb lvs:lv mal:ml
mar:mr mkd:mk mlg:mg mlt:mt mon:mn mri:mi msa:ms mya:my nep:ne nld:nl nno:nn nob:nb nor:no npi:ne
nya:ny oci:oc ori:or orm:om ory:or pan:pa pes:fa plt:mg pol:pl por:pt pus:ps ron:ro rus:ru san:sa
sin:si slk:sk slv:sl smo:sm sna:sn snd:sd som:so sot:st spa:es sqi:sq srp:sr ssw:ss sun:su swa:sw
swe:sv swh:sw tah:ty tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tir:ti ton:to tsn:tn tuk:tk tur:tr
uig:ug ukr:uk urd:ur uzb:uz uzn:uz ven:ve vie:vi wol:wo xho:xh ydd:yi yid:yi yor:yo zho:zh zsm:ms
zul:zu
"""

_NAMES = """
arabic:ar bengali:bn chinese:zh dutch:nl english:en finnish:fi french:fr german:de greek:el
hebrew:he hindi:hi indonesian:id italian:it japanese:ja khmer:km korean:ko malay:ms norwegian:no
persian:fa polish:pl portuguese:pt romanian:ro russian:ru spanish:es swahili:sw swedish:sv
telugu:te thai:th turkish:tr ukrainian:uk urdu:ur vietnamese:vi yoruba:yo
"""

_OLD = "iw:he ji:yi"  # withdrawn from ISO 639-1, and still met
_TAGS = dict(pair.split(":") for table in (_LONG, _NAMES, _OLD) for pair in table.split())

# Simplified Chinese, which data sets label "zh" too; traditional Chinese keeps its own tag.
_SAME = {"zh-CN": "zh", "zh-Hans": "zh", "zh-Hans-CN": "zh"}
_SHORT = frozenset(_TAGS.values())
_BREAK = re.compile(r"[-._]")
_SUBTAG = re.compile(r"[A-Za-z]{2}|[A-Za-z]{4}|[0-9]{3}")
_SHAPE = re.compile(r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-[a-z0-9]{4,8})*")


@lru_cache(maxsize=1024)  # a table says the same few names with every row
def tag(name: str) -> str:
    """The BCP-47 tag for a language's name in a file: "deu", "german" and "DE" are "de".

    An unknown code that has the shape of a tag stays as it is: three letters for a language,
    say, that has no shorter code.

    Raises:
        DataError: it is no language.
    """
    first, *rest = name.strip().replace("_", "-").split("-")
    parts = [_TAGS.get(first.lower(), first.lower()), *(_subtag(each) for each in rest)]
    found = "-".join(parts)
    if not _SHAPE.fullmatch(found.lower()):
        raise DataError(
            f"{name[:60]!r} is no language",
            "Name languages by BCP-47 tags, such as de or zh-TW.",
        )
    return _SAME.get(found, found)


def _subtag(part: str) -> str:
    """A script is written Hans, a region CN."""
    if len(part) == 4 and part.isalpha():
        return part.title()
    return part.upper() if len(part) <= 3 else part.lower()


def tag_in(stem: str) -> str:
    """The tag a file's name ends with: "squad-train.de" and "zho-CN" are in de and zh.

    Args:
        stem: the name without what tells its format.

    Raises:
        DataError: it ends with no language.
    """
    starts = [0, *(match.end() for match in _BREAK.finditer(stem))]
    for start in starts:
        if known(stem[start:]):  # "dev-de" is in de, though dev might be a code
            return tag(stem[start:])
    return tag(stem[starts[-1] :])


def known(name: str) -> bool:
    """Whether `name` is surely a language, not just of a tag's shape like "idx"."""
    first, *rest = name.strip().replace("_", "-").split("-")
    return (first.lower() in _TAGS or first.lower() in _SHORT) and all(
        _SUBTAG.fullmatch(each) for each in rest
    )


def chosen(wanted: Sequence[str], there: Collection[str], where: object) -> tuple[str, ...]:
    """The languages that are `wanted`, or all that are `there`; BCP-47 tags, sorted.

    Raises:
        DataError: one is wanted that is not there.
    """
    tags = {tag(each) for each in wanted} or set(there)
    if missing := sorted(tags - set(there)):
        raise DataError(
            f"{where} has nothing in {', '.join(missing)}",
            f"It is in {', '.join(sorted(there))}.",
        )
    return tuple(sorted(tags))
