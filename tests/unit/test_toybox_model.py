"""The demo model's parts that need no ComfyUI."""

import torch
from safetensors.torch import load_file

from pack.videograin.toybox.model import (
    AUTOENCODER,
    FOLDER,
    PAINTER,
    TEXT,
    VOCABULARY,
    Autoencoder,
    embedding_table,
    whole_words,
)


def test_the_autoencoder_takes_its_shipped_weights():
    state = load_file(FOLDER / AUTOENCODER)
    network = Autoencoder()
    network.load_state_dict({name.removeprefix("vae."): tensor.float() for name, tensor in state.items()})
    latent = network.encode(torch.zeros(2, 3, 16, 32))
    assert latent.shape == (2, 4, 2, 4) and network.decode(latent).shape == (2, 3, 16, 32)


def test_tokens_of_no_caption_have_no_embedding():
    state = load_file(FOLDER / PAINTER)
    tokens, rows = state["text.vocabulary"], state["text.embeddings.token_embedding.weight"]
    table = embedding_table(tokens, rows)
    assert table.shape == (VOCABULARY, TEXT["hidden_size"])
    assert torch.equal(table[tokens.long()], rows) and int(table.any(1).sum()) <= len(tokens)


def test_pieces_are_joined_to_words():
    assert whole_words(["spi", "der</w>", "cat</w>", ",</w>", "cat</w>"]) == ["spider", "cat"]
    assert whole_words([]) == []
