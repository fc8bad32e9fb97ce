"""Wan's text encoder with a few thousand weights: ComfyUI's own classes and tokenizer, random numbers, a vocabulary of its own."""

import io
from types import SimpleNamespace

import comfy.sd
import torch
from comfy.text_encoders.wan import WanT5Tokenizer, te

CAPTIONS = ["a polar bear and a firetruck in the snow", "a truck, a man (left) and a swordsman!"]


def vocabulary(captions=CAPTIONS):
    """A SentencePiece model of a few captions, which spells by bytes what they lack, as a tokenizer's data."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*captions] * 20), model_writer=model, vocab_size=340, byte_fallback=True, pad_id=0, eos_id=1,
        unk_id=2, bos_id=-1, hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    return {"spiece_model": torch.frombuffer(bytearray(model.getvalue()), dtype=torch.uint8)}


def clip(width):
    """A CLIP whose encoding has rows of `width` numbers."""
    shape = {
        "d_model": width,
        "d_ff": 2 * width,
        "d_kv": width // 2,
        "num_heads": 2,
        "num_layers": 2,
        "vocab_size": 400,
    }
    made = comfy.sd.CLIP(SimpleNamespace(params={}, clip=te(), tokenizer=WanT5Tokenizer), tokenizer_data=vocabulary(),
                         model_options={"umt5xxl_model_config": shape})  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    for name, weight in made.cond_stage_model.named_parameters():
        numbers = torch.randn(weight.shape, generator=generator)
        weight.data = numbers / weight.shape[-1] ** 0.5 if weight.ndim > 1 else 1 + 0.1 * numbers
        if "embed" in name or "shared" in name:
            weight.data = numbers
    return made
