"""What makes two tokens alike: keys less what all share, and colour."""

import torch
import torch.nn.functional as F

from pack.videograin.core.token_likeness import Tokens, colours


def painted(left, right):
    """A frame of 8×16 pixels whose halves have these colours."""
    frame = torch.empty(1, 8, 16, 3)
    frame[:, :, :8], frame[:, :, 8:] = torch.tensor(left), torch.tensor(right)
    return frame


def test_what_all_keys_share_says_nothing():
    shared = torch.tensor([30.0, 0.0, 0.0])
    keys = F.normalize(shared + torch.eye(3)[[1, 1, 2, 2]] + 0.01 * torch.randn(2, 4, 3), dim=-1)
    tokens = Tokens(keys, torch.zeros(2, 4, 4), (0,))
    similar = tokens[1] @ tokens[0].T
    assert (keys[1] @ keys[0].T).min() > 0.99  # before
    assert similar[0, 1] > 0.5 and similar[0, 2] < -0.5


def test_colours_tell_equal_keys_apart():
    frames = torch.cat([painted((0.9, 0.1, 0.1), (0.1, 0.6, 0.1)), painted((0.1, 0.6, 0.1), (0.9, 0.1, 0.1))])
    found = colours(frames, (1, 2))
    assert torch.allclose(found.norm(dim=-1), torch.ones(2, 2))
    tokens = Tokens(torch.ones(2, 2, 5), found, (0,))
    similar = tokens[1] @ tokens[0].T
    assert similar.argmax(1).tolist() == [1, 0]


def test_a_darker_frame_is_no_other_thing():
    """A tenth less light costs less than what tells two keys apart."""
    frame = painted((0.8, 0.2, 0.2), (0.3, 0.3, 0.7))
    keys = F.normalize(torch.tensor([[1.0, 0.0, 0.3], [0.0, 1.0, 0.3]]), dim=-1).expand(2, 2, 3)
    tokens = Tokens(keys, colours(torch.cat([frame, 0.9 * frame]), (1, 2)), (0,))
    assert (tokens[1] @ tokens[0].T).argmax(1).tolist() == [0, 1]
