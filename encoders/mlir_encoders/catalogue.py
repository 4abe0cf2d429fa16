"""The transformer encoders that come with the harness, each declared in a few lines."""

from __future__ import annotations

from mlir_encoders import hub_files, languages
from mlir_encoders.published import Published
from mlir_encoders.trained import Trained

xlmr = Published(
    name="xlmr",
    title="XLM-RoBERTa base",
    model_type="xlm-roberta",
    hub=hub_files.XLMR,
    licence="MIT",
    languages=languages.CC100,
)
labse = Published(
    name="labse",
    title="LaBSE",
    model_type="bert",
    hub=hub_files.LABSE,
    licence="Apache-2.0",
    languages=languages.LABSE,
    stack=("Transformer", "Pooling", "Dense", "Normalize"),
)
mdeberta = Published(
    name="mdeberta",
    title="mDeBERTa-v3 base",
    model_type="deberta-v2",
    hub=hub_files.MDEBERTA,
    licence="MIT",
    languages=languages.CC100,
    refuses={"fp16": "gives NaN in fp16 (github.com/microsoft/DeBERTa/issues/77)"},
)

xlmr_mono = Trained("xlmr-mono", xlmr, batches="monolingual")
xlmr_cross = Trained("xlmr-cross", xlmr, batches="cross-lingual")
xlmr_hybrid = Trained("xlmr-hybrid", xlmr, batches="hybrid (monolingual and cross-lingual)")
labse_mono = Trained("labse-mono", labse, batches="monolingual")
labse_cross = Trained("labse-cross", labse, batches="cross-lingual")
labse_hybrid = Trained("labse-hybrid", labse, batches="hybrid (monolingual and cross-lingual)")
