"""A LASER model in the library's own three files, small enough to make on the spot."""

from __future__ import annotations

from pathlib import Path

# Merges as fastBPE writes them: two parts and how often they were seen together.
_MERGES = ("t h", "th e</w>", "e r</w>", "e n</w>", "i n", "in g</w>", "c h", "d er</w>", "s c")
_SCRIPTS = (
    range(0x21, 0x530),
    range(0x600, 0x700),
    range(0x900, 0x980),
    range(0xE00, 0xE80),
    range(0x3041, 0x3100),
    range(0x4E00, 0xA000),
)
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def write_laser(folder: Path, hidden: int = 12, seed: int = 0) -> Path:
    """Codes, vocabulary and random weights of two layers; vectors have 2 * hidden dimensions.

    Returns:
        `folder`, which is made.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    merged = [merge.replace(" ", "") for merge in _MERGES]
    letters = [chr(code) for script in _SCRIPTS for code in script if chr(code).islower()]
    letters += [chr(code) for script in _SCRIPTS for code in script if not chr(code).isalpha()]
    letters += [chr(code) for script in _SCRIPTS[1:] for code in script if chr(code).isalpha()]
    # "th@@" is a part that another follows, "the" the last one of a word.
    words = [part.removesuffix("</w>") for part in merged if part.endswith("</w>")]
    parts = [part + "@@" for part in merged if not part.endswith("</w>")]
    tokens = list(dict.fromkeys([*parts, *words, *letters, *(f"{each}@@" for each in letters)]))
    tokens = [token for token in tokens if not any(map(str.isspace, token))]
    lines = [f"{merge} {100 - place}" for place, merge in enumerate(_MERGES)]
    _write(folder / "93langs.fcodes", lines)
    _write(folder / "93langs.fvocab", [f"{token} 7" for token in tokens])

    dictionary = {token: number for number, token in enumerate([*_SPECIAL, *tokens])}
    params = {
        "num_embeddings": len(dictionary),
        "padding_idx": dictionary["<pad>"],
        "embed_dim": 8,
        "hidden_size": hidden,
        "num_layers": 2,
        "bidirectional": True,
        "left_pad": True,
        "padding_value": 0.0,
    }
    torch.manual_seed(seed)
    embedding = torch.nn.Embedding(len(dictionary), 8, padding_idx=dictionary["<pad>"])
    lstm = torch.nn.LSTM(8, hidden, num_layers=2, bidirectional=True)
    state = {f"embed_tokens.{name}": value for name, value in embedding.state_dict().items()}
    state |= {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    torch.save(
        {"params": params, "model": state, "dictionary": dictionary},
        folder / "bilstm.93langs.2018-12-26.pt",
        _use_new_zipfile_serialization=False,  # as the published file, which is of 2018
    )
    return folder


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", "utf-8")
