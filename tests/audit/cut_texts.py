"""Tokenizers of four kinds, trained on texts of many scripts, and pairs of texts with several swaps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from audit.pairs import Text
from audit.protocols import Encoding
from probes.marked_text import tokenise
from tests.needs import demo_file

#: What is the same in both texts, and what the arms write.
STRETCHES = [
    *(
        "The nurse",
        " asked ",
        "'s friend",
        ", the person",
        ".",
        "!” ",
        "",
        "(",
        ") ",
        "-born ",
        "  ",
        " of the ",
    ),
    *("說", "走了", "医生", "の", "เป็นหมอ", "ß", "e\u0301 ", "\u0301", " 🙂", "👩🏽‍⚕️ "),
    *(" และ", "שָׁאֲלָה ", " אֶת־", "سألت", " و"),
]
SWAPS = [
    *("she", "he", "Emily", "Lakisha", "an athlete", "a person who uses a wheelchair", "the nurse", ""),
    *("Zoë", "Zoe\u0308", "Straße", "Black ", "她", "他", "女医生", "เธอ", "เขา", "👩🏽‍⚕️", "👨‍⚕️", "🇫🇷"),
    *("הָרוֹפְאָה", "הרופא", "الطبيبة", "طبيب"),
]
KINDS = [
    "demo",
    "byte-level",
    "byte-level, trimmed",
    "word-piece",
    "metaspace",
    "metaspace, over words",
    "whitespace",
]
_CORPUS = [one + two + three for one in STRETCHES for two in SWAPS[::3] for three in STRETCHES[::4]]


@cache
def tokenizer(kind: str) -> PreTrainedTokenizerFast:
    """A fast tokenizer of a kind; small, so that it cuts most words."""
    if kind == "demo":
        file = demo_file()
        return AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    inner, trainer = _TRAINED[kind]()
    inner.train_from_iterator(_CORPUS, trainer)
    if kind == "word-piece":
        ids = [(token, inner.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
        inner.post_processor = processors.BertProcessing(ids[1], ids[0])
        names = {"unk_token": "[UNK]", "mask_token": "[MASK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        return PreTrainedTokenizerFast(tokenizer_object=inner, **names)
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>", mask_token="<mask>")


def _byte_level(trim: bool) -> tuple[Tokenizer, trainers.Trainer]:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=trim)
    inner.post_processor = processors.ByteLevel(trim_offsets=trim)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return inner, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)


def _word_piece() -> tuple[Tokenizer, trainers.Trainer]:
    inner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    inner.normalizer = normalizers.BertNormalizer(lowercase=True)
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]"]
    return inner, trainers.WordPieceTrainer(vocab_size=150, special_tokens=special, show_progress=False)


def _metaspace(over_words: bool) -> tuple[Tokenizer, trainers.Trainer]:
    inner = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    if over_words:
        inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        inner.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    size = 600 if over_words else 420
    return inner, trainers.BpeTrainer(
        vocab_size=size, limit_alphabet=60, special_tokens=special, show_progress=False
    )


def _whitespace() -> tuple[Tokenizer, trainers.Trainer]:
    inner = Tokenizer(models.WordLevel(unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return inner, trainers.WordLevelTrainer(vocab_size=60, special_tokens=["<unk>"], show_progress=False)


_TRAINED = {
    "byte-level": lambda: _byte_level(trim=False),
    "byte-level, trimmed": lambda: _byte_level(trim=True),
    "word-piece": _word_piece,
    "metaspace": lambda: _metaspace(over_words=False),
    "metaspace, over words": lambda: _metaspace(over_words=True),
    "whitespace": _whitespace,
}


def encode(kind: str, text: str) -> Encoding:
    """Tokenise as a model does."""
    found = tokenise(tokenizer(kind), text, special=True)
    names = tokenizer(kind).convert_ids_to_tokens(found.ids)
    return Encoding(tuple(found.ids), tuple(names), tuple(found.offsets), found.types)


def write(stretches: Sequence[str], swaps: Sequence[str]) -> Text:
    """A text of stretches with what an arm wrote between them."""
    text, spans = stretches[0], []
    for swap, stretch in zip(swaps, stretches[1:], strict=True):
        spans.append((len(text), len(text) + len(swap)))
        text += swap + stretch
    return Text("x", "g", text, tuple(spans))
