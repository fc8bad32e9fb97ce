"""Clusters on features whose truth is known."""

import peak
import pytest
import torch

from pack.videograin.core import attention_clusters
from pack.videograin.core.attention_clusters import AttentionInputs, AttentionRows, ClusterLayout, WordMaps
from pack.videograin.core.attention_keys import AttentionKeys
from pack.videograin.views import cluster_map


def moving_blocks(frames=5, size=12, seed=0):
    """A left and a right object that move down, and features that say so with noise. Returns features, truth."""
    g = torch.Generator().manual_seed(seed)
    truth = torch.zeros(frames, size, size, dtype=torch.long)
    for f in range(frames):
        truth[f, f : f + 4, 1:5] = 1
        truth[f, 4 + f // 2 : 8 + f // 2, 7:11] = 2
    codes = torch.eye(3)
    features = codes[truth].flatten(1, 2) + 0.1 * torch.randn(frames, size * size, 3, generator=g)
    return features, truth.flatten(1)


@pytest.mark.parametrize("scope", [attention_clusters.PER_FRAME, attention_clusters.WHOLE_CLIP])
def test_clusters_follow_the_objects_with_constant_numbers(scope):
    features, truth = moving_blocks()
    labels = attention_clusters.cluster(features, 3, scope, seed=0)
    pairs = {(a, b) for a, b in zip(labels.flatten().tolist(), truth.flatten().tolist(), strict=True)}
    assert len(pairs) == 3  # one number per object, in every frame


def test_clusters_of_one_frame_are_carried_to_the_others_by_keys():
    features, truth = moving_blocks()
    keys = torch.nn.functional.normalize(features, dim=-1)
    labels = attention_clusters.cluster(features[2:3], 3, attention_clusters.PER_FRAME, seed=0)[0]
    found = attention_clusters.carried(labels, 2, keys, 3)
    assert torch.equal(found[2], labels)
    pairs = set(zip(found.flatten().tolist(), truth.flatten().tolist(), strict=True))
    assert len(pairs) == 3  # one number per object, in every frame


def test_a_cluster_that_fills_a_frame_is_carried():
    """Then no other cluster is sure of anything."""
    keys = torch.nn.functional.normalize(torch.rand(3, 9, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    assert (attention_clusters.carried(torch.full((9,), 1), 0, keys, 2) == 1).all()


def test_keys_of_several_grids_are_compared_on_one():
    """Each layer counts the same, however long its keys and however many the steps."""
    g = torch.Generator().manual_seed(4)
    fine, coarse = torch.randn(2, 16, 5, generator=g), torch.randn(2, 4, 3, generator=g)
    store = AttentionKeys({("a",): 5, ("b",): 3}, (2, 2))
    store.see(("a",), 7 * fine, (4, 4))
    assert store.unseen == {("b",)}
    for _ in range(2):
        store.see(("b",), coarse, (2, 2))
    store.see(("c",), coarse, (2, 2))  # another layer's
    found = store.features()
    assert found.shape == (2, 4, 8) and not store.unseen
    torch.testing.assert_close(found.norm(dim=-1), torch.ones(2, 4))
    unit = torch.nn.functional.normalize(coarse, dim=-1)
    torch.testing.assert_close(2 * found[..., 5:] @ found[..., 5:].mT, unit @ unit.mT)


def test_a_long_clip_is_clustered_by_some_of_its_tokens(monkeypatch):
    features, truth = moving_blocks()
    whole = attention_clusters.cluster(features, 3, attention_clusters.WHOLE_CLIP, seed=0)
    monkeypatch.setattr(attention_clusters, "FITTED", 3 * 120)  # 120 of 720 tokens
    some = attention_clusters.cluster(features, 3, attention_clusters.WHOLE_CLIP, seed=0)
    pairs = {(a, b) for a, b in zip(some.flatten().tolist(), whole.flatten().tolist(), strict=True)}
    assert some.shape == truth.shape and len(pairs) == 3  # the same, but for their numbers


def test_clusters_are_seeded():
    features = torch.rand(2, 40, 6, generator=torch.Generator().manual_seed(3))
    same = [attention_clusters.cluster(features, 4, attention_clusters.PER_FRAME, seed=7) for _ in range(2)]
    assert torch.equal(*same)


def test_more_clusters_than_tokens_is_a_clear_error():
    with pytest.raises(ValueError, match="10 clusters were asked for, but a frame has only 4 tokens"):
        attention_clusters.cluster(torch.rand(2, 4, 3), 10, attention_clusters.PER_FRAME, 0)


def test_matching_undoes_a_permutation():
    centroids = torch.randn(5, 7, generator=torch.Generator().manual_seed(1))
    shuffle = torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(attention_clusters.match(centroids[shuffle] + 1e-3, centroids), shuffle)


def test_attention_rows_are_the_average_of_per_frame_attention():
    g = torch.Generator().manual_seed(2)
    rows, expected = AttentionRows(), []
    for _ in range(3):
        q, k = torch.randn(2, 9, 8, generator=g), torch.randn(2, 9, 8, generator=g)
        rows.add(("input", 1, 0), q, k, heads=2)
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            expected.append((q[..., part] @ k[..., part].transpose(1, 2) / 2).softmax(-1))
    assert torch.allclose(rows.features(), torch.stack(expected).mean(0), atol=1e-6)


def test_blurred_rows_stay_in_their_frame_and_their_places():
    rows = torch.zeros(2, 3, 4 * 6)
    rows[1, 2, 2 * 6 + 5] = 1  # the last column of the third line
    blurred = attention_clusters.blur_rows(rows, 4, 6, 3)
    assert torch.equal(blurred.nonzero()[:, :2].unique(dim=0), torch.tensor([[1, 2]]))
    assert blurred[1, 2].view(4, 6).nonzero().tolist() == [[y, x] for y in (1, 2, 3) for x in (4, 5)]
    assert attention_clusters.blur_rows(rows, 4, 6, 1) is rows


def test_attention_inputs_give_every_layer_the_same_weight():
    inputs = AttentionInputs({("a",): 4, ("skipped",): 3, ("b",): 6})
    small, large = torch.randn(2, 50, 4), 100 * torch.randn(2, 50, 6) + 7
    for _ in range(2):  # two steps
        inputs.add(("a",), small)
        inputs.add(("b",), large)
        inputs.add(("unknown",), large)
    features = inputs.features()
    assert features.shape == (2, 50, 13) and not features[..., 4:7].any()
    for layer, given in ((features[..., :4], small), (features[..., 7:], large)):
        centred = given - given.mean((0, 1))
        assert torch.allclose(layer, centred / centred.square().mean().sqrt(), atol=1e-5)


COLLECT = """
from pack.videograin.core import attention_clusters
from pack.videograin.core.attention_clusters import AttentionInputs, AttentionRows, blur_rows, cluster

attention_clusters.FITTED = 2**20  # numbers: 4 MiB

def rows(frames):
    q = torch.rand(1, 480, 32).expand(frames, -1, -1)
    return AttentionRows(), lambda kept, step: kept.add(step, q, q, 4)

def inputs(frames):
    layers = {{(n,): 160 for n in range(3)}}
    x = torch.rand(1, 480, 160).expand(frames, -1, -1)  # the network's own: not what is measured
    return AttentionInputs(layers), lambda kept, step: [kept.add(layer, x) for layer in layers]

def work(frames):
    kept, look = {feature}(frames)
    for step in range(3):
        look(kept, step)
    found = kept.features()
    found = blur_rows(found, 16, 30, 5)
    cluster(found, 2, {scope!r}, 0)
    return found.nbytes
"""


@peak.needs_linux
@pytest.mark.parametrize(
    "feature,scope",
    [
        ("rows", attention_clusters.PER_FRAME),
        ("rows", attention_clusters.WHOLE_CLIP),
        ("inputs", attention_clusters.PER_FRAME),
    ],
)
def test_a_long_clip_is_kept_once(feature, scope, tmp_path):
    """One sum of features, however many steps; averaging, blurring and clustering copy a frame, never the clip."""
    kept, most = peak.grown(COLLECT.format(feature=feature, scope=scope), 2, 64, tmp_path)
    assert kept == 64 * 480 * 480 * 4
    assert most < 1.5 * kept, f"{most / 2**20:.0f} MiB held for {kept / 2**20:.0f} MiB of features"


def test_names_go_to_the_clusters_their_words_look_at():
    _, truth = moving_blocks()
    words = WordMaps({"cat": [1], "teddy bear": [2, 3]})
    q = torch.nn.functional.one_hot(truth, 3).float() * 8
    k = torch.zeros(5, 6, 3)
    k[:, 1, 1], k[:, 2, 2], k[:, 3, 2] = 8, 8, 8
    words.add(q, k, heads=1)
    assert attention_clusters.name_clusters(truth, words.maps(), ["cat", "teddy bear"], 3) == ("", "cat", "teddy bear")


def example():
    labels = torch.zeros(2, 4, 4, dtype=torch.long)
    labels[:, :, 2:] = 1
    labels[1, 0, 0] = 2
    return ClusterLayout(labels, ("grass", "", "cat"), 32, 32)


def test_masks_of_clusters_add_up_at_frame_size():
    layout = example()
    one, rest = (
        attention_clusters.at_frame_size(layout, inside) for inside in (layout.labels == 1, layout.labels != 1)
    )
    assert one.shape == (2, 32, 32)
    assert one[:, :, 20:].all() and not one[:, :, :12].any()
    assert ((one + rest) >= 1).float().mean() > 0.95  # the border between them may fall in between


def test_description_and_picture():
    assert attention_clusters.describe(example()).splitlines() == ["0: 46.9 % grass", "1: 50.0 %", "2: 3.1 % cat"]
    picture = cluster_map.picture(example())
    assert picture.shape == (2, 32, 32, 3) and 0 <= picture.min() and picture.max() <= 1
    assert not torch.equal(picture[0, 1, 1], picture[1, 1, 1])  # cluster 2 has its own colour
