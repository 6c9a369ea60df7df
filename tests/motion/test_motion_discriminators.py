"""Discriminators: sizes, inputs, normalisation."""

import copy

import pytest
import torch
from torch.testing import assert_close

from mocotool.errors import ConfigError
from mocotool.motion.image_discriminator import (
    ImageDiscriminator,
    SpectralLinear,
    copy_frozen,
    update_average,
)
from mocotool.motion.memory_bank import MemoryBank
from mocotool.motion.patch_discriminator import (
    MultiscaleDiscriminator,
    to_pair_input,
    to_video_input,
)


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("in_channels", "num_dims", "parameters"),
    [(6, 3, 22_136_706), (3, 3, 22_112_130), (6, 2, 5_535_618)],
)
def test_patch_discriminators_are_as_large_as_the_authors(in_channels, num_dims, parameters):
    with torch.device("meta"):
        network = MultiscaleDiscriminator(in_channels, width=64, num_dims=num_dims)

    assert count(network) == parameters


@pytest.mark.parametrize(
    ("resolution", "millions"), [(128, 86.958625), (256, 98.2), (64, 44.5), (32, 9.7)]
)
def test_the_image_discriminator_is_as_large_as_the_authors(resolution, millions):
    with torch.device("meta"):
        network = ImageDiscriminator(resolution, width=96)

    assert count(network) / 1e6 == pytest.approx(millions, abs=1e-9 if resolution == 128 else 0.06)


def test_score_maps_have_the_authors_sizes():
    network = MultiscaleDiscriminator(6, width=1, num_dims=3)

    full, half = network(torch.zeros(1, 6, 15, 128, 128))

    assert full.shape == (1, 1, 5, 19, 19)
    assert half.shape == (1, 1, 5, 11, 11)


def test_time_is_halved_between_scales_only_for_long_clips():
    network = MultiscaleDiscriminator(3, width=1, num_dims=3)

    assert network.shrink(torch.zeros(1, 3, 16, 8, 8)).shape == (1, 3, 16, 4, 4)
    assert network.shrink(torch.zeros(1, 3, 17, 8, 8)).shape == (1, 3, 9, 4, 4)


def test_clips_are_judged_alone_whatever_their_neighbours():
    torch.manual_seed(0)
    network = MultiscaleDiscriminator(3, width=2, num_dims=3)
    video = torch.randn(3, 3, 5, 16, 16)

    together = network(video)
    alone = network(video[1:2])

    for many, one in zip(together, alone, strict=True):
        assert_close(many[1:2], one, rtol=1e-4, atol=1e-6)


def test_in_domain_each_later_frame_comes_with_the_first():
    video = torch.arange(4.0).view(1, 4, 1, 1, 1).expand(1, 4, 3, 2, 2)

    video_ncthw = to_video_input(video, with_first_frame=True)

    assert video_ncthw.shape == (1, 6, 3, 2, 2)
    assert video_ncthw[0, :3, :, 0, 0].tolist() == [[0.0, 0.0, 0.0]] * 3
    assert video_ncthw[0, 3:, :, 0, 0].tolist() == [[1.0, 2.0, 3.0]] * 3
    assert to_video_input(video, with_first_frame=False).shape == (1, 3, 4, 2, 2)
    assert to_pair_input(video, 2)[0, :, 0, 0].tolist() == [0, 0, 0, 2, 2, 2]


def test_spectral_layers_have_a_largest_singular_value_of_one():
    torch.manual_seed(0)
    layer = SpectralLinear(5, 6)
    torch.nn.init.normal_(layer.weight)
    for _ in range(50):
        layer(torch.zeros(1, 5))

    largest = torch.linalg.svdvals((layer(torch.eye(5)) - layer.bias).detach())[0]

    assert float(largest) == pytest.approx(1.0, abs=1e-4)


def make_unsettled(num_pictures):
    """Make a D_I whose singular vectors have yet to be found, and pictures for it."""
    torch.manual_seed(0)
    network = ImageDiscriminator(16, width=2, embed_dim=4)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return network, torch.randn(num_pictures, 3, 16, 16)


def test_two_passes_over_the_same_picture_agree_to_the_bit_outside_training():
    network, img = make_unsettled(2)
    network.eval()

    assert torch.equal(network(img).scores, network(img).scores)


def test_a_pass_in_training_moves_the_singular_vectors():
    network, img = make_unsettled(2)
    before = network.proj0.u.clone()

    network(img)

    assert not torch.equal(network.proj0.u, before)


def test_passes_in_one_call_are_passes_in_several_with_their_gradients():
    one, img = make_unsettled(6)
    several = copy.deepcopy(one)

    judged = one(img, 3)
    (judged.scores.sin().sum() + judged.embedding.square().sum()).backward()
    parts = [several(part) for part in img.chunk(3)]
    sum(x.scores.sin().sum() + x.embedding.square().sum() for x in parts).backward()

    assert_close(judged.scores, torch.cat([x.scores for x in parts]), rtol=1e-4, atol=1e-4)
    again = one(img[:2]).scores  # with the vectors of a fourth pass
    assert float((judged.scores[:2] - again).detach().abs().max()) > 1e-3
    for (name, ours), theirs in zip(one.named_parameters(), several.parameters(), strict=True):
        error = (ours.grad - theirs.grad).norm() / theirs.grad.norm()
        assert float(error) < 1e-4, name


@pytest.mark.parametrize("head", ["shared", "separate"])
@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_judgements_have_their_shapes(head, resolution):
    network = ImageDiscriminator(resolution, width=2, embed_dim=5, head=head)

    judgement = network(torch.randn(3, 3, resolution, resolution))

    assert judgement.scores.shape == (3,)
    assert judgement.embedding.shape == (3, 5)
    assert judgement.features.shape[0] == 3


def test_other_resolutions_are_refused():
    with pytest.raises(ConfigError, match="frame size 48"):
        ImageDiscriminator(48, width=2)


def test_the_average_follows_the_parameters_and_leaves_buffers_alone():
    torch.manual_seed(0)
    network = ImageDiscriminator(16, width=2, embed_dim=4)
    average = copy_frozen(network)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    network.proj0.u.add_(1.0)
    before = average.proj0.weight.clone()
    u = average.proj0.u.clone()

    update_average(average, network, decay=0.9)

    assert_close(average.proj0.weight, before + 0.1)
    assert torch.equal(average.proj0.u, u)


def test_the_bank_forgets_the_oldest_first():
    bank = MemoryBank(3, 2, batch_size=1)

    bank.push(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    bank.push(torch.tensor([[-3.0, 0.0], [0.0, -4.0]]))

    assert bank.entries.tolist() == [[0.0, -1.0], [0.0, 1.0], [-1.0, 0.0]]


def test_the_bank_takes_no_more_than_it_holds():
    bank = MemoryBank(2, 2, batch_size=3)

    bank.push(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))

    assert bank.entries.tolist() == [[0.0, 1.0], [-1.0, 0.0]]


def test_a_bank_starts_with_random_directions():
    bank = MemoryBank(5, 4, batch_size=1, rng=torch.Generator().manual_seed(0))

    assert_close(bank.entries.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("num_dims", [2, 3])
@pytest.mark.parametrize(("norm", "is_alone"), [("instance", True), ("batch", False)])
def test_an_input_is_normalised_alone_or_with_its_batch(norm, is_alone, num_dims):
    torch.manual_seed(0)
    network = MultiscaleDiscriminator(3, width=2, num_dims=num_dims, num_scales=1, norm=norm)
    x = torch.randn(2, 3, *(16,) * num_dims)

    together, alone = network(x)[0][:1], network(x[:1])[0]

    assert torch.allclose(together, alone, atol=1e-6) is is_alone


def test_batch_normalisation_sees_the_numbers_at_hand():
    torch.manual_seed(0)
    network = MultiscaleDiscriminator(3, width=2, num_dims=3, num_scales=1, norm="batch").eval()
    x = 5 + 3 * torch.randn(2, 3, 16, 16, 16)

    y = network.scales[0].layers[:4](x)  # up to the first normalisation

    axes = (0, 2, 3, 4)
    assert_close(y.mean(dim=axes), torch.zeros(4), rtol=0, atol=1e-5)
    assert_close(y.var(dim=axes, unbiased=False), torch.ones(4), rtol=1e-2, atol=0)
