"""The files of published models: revisions, sizes and hashes, all pinned."""

from __future__ import annotations

from dataclasses import dataclass

from mlir_harness.protocols import Download


@dataclass(frozen=True)
class HubFiles:
    """Files of one repository of the Hugging Face hub, at one commit."""

    repository: str
    revision: str
    files: tuple[Download, ...]


def _listed(repository: str, revision: str, table: str) -> HubFiles:
    """The files of a table: SHA-256, size in bytes (- if it is not known) and path in each line."""
    rows = (line.split() for line in table.strip().splitlines())
    return HubFiles(
        repository,
        revision,
        tuple(
            Download(
                f"hf://{repository}@{revision}/{path}",
                path,
                size=None if size == "-" else int(size),
                sha256=sha256,
            )
            for sha256, size, path in rows
        ),
    )


XLMR = _listed(
    "FacebookAI/xlm-roberta-base",
    "e73636d4f797dec63c3081bb6ed5c7b0bb3f2089",
    """
d66ed8cd4f2a93b358c245e50736fa389ed4f35c0bae7aad0b32abb20c62b579        615 config.json
6fd4797bc397c3b8b55d6bb5740366b57e6a3ce91c04c77f22aafc0c128e6feb 1115567652 model.safetensors
cfc8146abe2a0488e9e2a0c56de7952f7c11ab059eca145a0a727afce0db2865    5069051 sentencepiece.bpe.model
a898ea75433890f6610f4e470b8ebeb0c21dce5c8dd61f892eb09eb5919d2e2c    9096718 tokenizer.json
994f46754c5bf4014f1aa92d34b1374319c3a6b3f702105cd5b742beaecd18ce         25 tokenizer_config.json
""",
)

LABSE = _listed(
    "sentence-transformers/LaBSE",
    "836121a0533e5664b21c7aacc5d22951f2b8b25b",
    """
c9bef85e8bbf4b2eab4941b3fb62bd33f88686748b478f2e264d256472d9643b - 1_Pooling/config.json
02a7646de76be592655235523e09b5315c115bb770d91de87f21a9b0746723b5 - 2_Dense/config.json
f866c945fa2147ce4940c8ead0b4b20af4217e0f4664bd35f41c2a0967c4fe77 - 2_Dense/model.safetensors
b6bd83d561db8d2ccb7f44dafcd945e39bea16dc2819072ffb10adb45608b029 - config.json
b8c64b5cece00d8424b4896ea75b512b6008576088497609dfeb6bd63e6d36b8 - config_sentence_transformers.json
77d8e1f2dbab6eb5d3c261ce9d3dbf1e3c69e02938c95f934f94f42c22dfa31f - model.safetensors
41251094dfd3e7ff81a85ba97b3f4788df47e4039f1bc5037575b43c028beb40 - modules.json
fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7 - sentence_bert_config.json
303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3 - special_tokens_map.json
d09046654dc5151fc313613f16768b6ecc1e5e3bddbc9c8aca209a5f23fe3cd3 - tokenizer.json
9c5867ec63310dc2958daae8ccfabb226a2b6d317f407ade84d50315e7f9e80b - tokenizer_config.json
7453247caa2cf23116c1da332bec0cc1c9ef896b7803591a62ad2007b7a33c33 - vocab.txt
""",
)

# Its weights are published as a pickle alone.
MDEBERTA = _listed(
    "microsoft/mdeberta-v3-base",
    "a0484667b22365f84929a935b5e50a51f71f159d",
    """
bcffcd343dc5efa5ef2d5a58d2b405eed108f01cc45b48d0a907b333ec41801f     579 config.json
6f89419baf0f1aaad5cab7d53901e36a8c1af8f6b4ab58b15db9af32df656ead       - pytorch_model.bin
13c8d666d62a7bc4ac8f040aab68e942c861f93303156cc28f5c7e885d86d6e3 4305025 spm.model
3f3978e0c036f2c2588cac34a6047cbb0af0b0dc1814254e291028529805496d      52 tokenizer_config.json
""",
)
