"""The languages that models were trained on, as their model cards name them (BCP-47)."""

from __future__ import annotations


def _tags(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# CC-100, without the romanised variants of six languages: XLM-RoBERTa and mDeBERTa-v3.
CC100 = _tags(
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he "
    "hi hr hu hy id is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om "
    "or pa pl ps pt ro ru sa sd si sk sl so sq sr su sv sw ta te th tl tr ug uk ur uz vi xh yi "
    "zh"
)

# LaBSE (Feng et al. 2022, arXiv 2007.01852).
LABSE = _tags(
    "af am ar as az be bg bn bo bs ca ceb co cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu "
    "ha haw he hi hmn hr ht hu hy id ig is it ja jv ka kk km kn ko ku ky la lb lo lt lv mg mi mk "
    "ml mn mr ms mt my ne nl no ny or pa pl pt ro ru rw si sk sl sm sn so sq sr st su sv sw ta te "
    "tg th tk tl tr tt ug uk ur uz vi wo xh yi yo zh zu"
)
