"""Every supported file opens, computes what its own program computes, and survives a round trip."""

import argparse
import io
import json
import zlib

import numpy as np
import pytest
import torch
from reference.golden_files import find_golden, read_golden
from reference.nvidia_pickles import stylegan2_pickle, stylegan3_pickle
from reference.tensorflow_pickles import stylegan2_tensorflow_pickle
from torch.testing import assert_close

from mocotool.configs.generator import GeneratorOptions
from mocotool.errors import ConfigError, FileFormatError, MismatchError, MocoWarning
from mocotool.files import sha256_file
from mocotool.generators.ada_names import write_ada
from mocotool.generators.loading import load_generator, save_generator, write_generator
from mocotool.generators.rosinality_names import write_rosinality
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.generators.stylegan3 import StyleGAN3

IMAGE_TOLERANCE = 1e-3  # of the image's range, as the golden values' own page says
LATENT_TOLERANCE = 1e-4


def assert_agrees(value, expected, tolerance):
    assert value.shape == expected.shape
    assert (value - expected).abs().max() <= tolerance * (expected.max() - expected.min())


def rosinality_tensors():
    spec = json.loads(find_golden("rosinality-32.json").read_text())
    tensors = {}
    for key, rule in spec["tensors"].items():
        if "values" in rule:
            tensors[key] = torch.tensor(rule["values"])
            continue
        bits = np.random.Philox(key=[spec["seed"], zlib.crc32(key.encode())])
        values = np.random.Generator(bits).standard_normal(rule["shape"])
        tensors[key] = torch.from_numpy((values * rule["scale"] + rule["add"]).astype(np.float32))
    return tensors


@pytest.fixture(scope="module")
def rosinality_state():
    return rosinality_tensors()


@pytest.fixture
def rosinality_file(tmp_path, rosinality_state):
    mean = read_golden("rosinality-32")["latent_avg"]
    torch.save({"g_ema": rosinality_state, "latent_avg": mean}, tmp_path / "r.pt")
    return tmp_path / "r.pt"


def small_stylegan2(**arch):
    torch.manual_seed(5)
    sizes = {"z_dim": 8, "w_dim": 12, "img_resolution": 16, "channels": [10, 8, 6]}
    generator = StyleGAN2(**(sizes | arch)).freeze()
    with torch.no_grad():
        for name, value in generator.state_dict().items():
            if name.endswith(("noise_strength", "bias", "w_avg")):
                value.add_(0.3 * torch.randn_like(value))
    return generator


STYLEGAN2_GOLDENS = ["ada-skip-64", "ada-cond-32", "tf-config-f-64"]


@pytest.mark.parametrize("name", STYLEGAN2_GOLDENS)
def test_mapping_and_truncation_agree_with_the_original_program(name):
    values = read_golden(name)
    generator = load_generator(find_golden(f"{name}.pkl"))

    w = generator.mapping(values["z"], values.get("c"))
    w_psi = generator.mapping(values["z"], values.get("c"), truncation_psi=0.7)

    assert_agrees(w, values["ws"][:, 0], LATENT_TOLERANCE)
    assert_agrees(w_psi, values["ws_psi0.7"][:, 0], LATENT_TOLERANCE)
    assert_agrees(generator.latent_mean, values["w_avg"], LATENT_TOLERANCE)


@pytest.mark.parametrize("name", STYLEGAN2_GOLDENS)
def test_images_agree_with_the_original_program(name):
    values = read_golden(name)
    generator = load_generator(find_golden(f"{name}.pkl"))

    const = generator.synthesis(values["ws"])
    none = generator.synthesis(values["ws"][:, 0], noise_mode="none")

    assert_agrees(const, values["img_noise_const"], IMAGE_TOLERANCE)
    assert_agrees(none, values["img_noise_none"], IMAGE_TOLERANCE)


@pytest.mark.parametrize("name", ["ada-skip-64", "ada-cond-32"])
def test_one_latent_a_layer_agrees_with_the_original_program(name):
    values = read_golden(name)
    generator = load_generator(find_golden(f"{name}.pkl"))

    img = generator.synthesis(values["ws_mixed"])

    assert_agrees(img, values["img_mixed_noise_const"], IMAGE_TOLERANCE)


def test_rosinality_agrees_with_the_original_program(rosinality_file):
    values = read_golden("rosinality-32")
    generator = load_generator(rosinality_file)

    w = generator.mapping(values["z"])
    w_psi = generator.mapping(values["z"], truncation_psi=0.7)

    assert_agrees(w, values["w"], LATENT_TOLERANCE)
    assert_agrees(generator.synthesis(w), values["img_noise_const"], IMAGE_TOLERANCE)
    none = generator.synthesis(w, noise_mode="none")
    assert_agrees(none, values["img_noise_none"], IMAGE_TOLERANCE)
    psi = generator.synthesis(w_psi, noise_mode="none")
    assert_agrees(psi, values["img_psi0_7_noise_none"], IMAGE_TOLERANCE)


def test_biggan_agrees_with_the_original_program():
    values = read_golden("biggan-64")
    generator = load_generator(find_golden("biggan-64.pth"))

    img = generator.synthesis(generator.mapping(values["z"]), labels=values["y"])

    assert_agrees(img, values["img"], IMAGE_TOLERANCE)
    assert (generator.kind, generator.space, generator.c_dim) == ("biggan", "z", 4)


def test_dcgan_agrees_with_the_original_program():
    values = read_golden("dcgan-64")
    generator = load_generator(find_golden("face-dcgan/netG.pt"))

    img = generator.synthesis(generator.mapping(values["z"]))

    assert_agrees(img, values["img"], IMAGE_TOLERANCE)


def test_a_loaded_generator_is_frozen_and_says_where_it_came_from():
    path = find_golden("ada-skip-64.pkl")

    generator = load_generator(path)

    assert not generator.training
    assert not any(parameter.requires_grad for parameter in generator.parameters())
    assert generator.origin.file.sha256 == sha256_file(path)
    assert generator.origin.file.kind == "stylegan2"
    assert generator.origin.notes["training_set"] == "x.zip"


@pytest.mark.parametrize("name", ["ada-skip-64.pkl", "tf-config-f-64.pkl", "biggan-64.pth"])
def test_the_native_file_gives_the_same_bits(name, tmp_path):
    generator = load_generator(find_golden(name))

    save_generator(generator, tmp_path / "a.safetensors")
    again = load_generator(tmp_path / "a.safetensors")
    save_generator(again, tmp_path / "b.safetensors")

    assert again.arch == generator.arch
    pairs = zip(generator.state_dict().items(), again.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
    # What the first file was is remembered, so converting twice changes nothing.
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_native_file_in_half_precision_is_computed_in_float32(tmp_path):
    generator = small_stylegan2()
    save_generator(generator, tmp_path / "g.safetensors", dtype=torch.float16)

    again = load_generator(tmp_path / "g.safetensors")

    assert {value.dtype for value in again.state_dict().values()} == {torch.float32}
    weight = generator.synthesis.b8.conv0.weight
    assert torch.equal(again.synthesis.b8.conv0.weight, weight.half().float())
    assert torch.equal(again.synthesis.b8.conv0.bias, generator.synthesis.b8.conv0.bias)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("is_flat", [False, True], ids=["ada", "stylegan3 repository"])
def test_every_architecture_is_read_from_a_pickle(architecture, is_flat, tmp_path):
    generator = small_stylegan2(architecture=architecture, num_mapping_layers=3, conv_clamp=64.0)
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_pickle(generator, conv_clamp=64, is_flat=is_flat))

    again = load_generator(path)

    assert again.arch == generator.arch
    w = torch.randn(2, 12)
    assert torch.equal(again.synthesis(w), generator.synthesis(w))


@pytest.mark.parametrize("form", ["torch", "tensorflow", "ada", "native"])
def test_pictures_that_are_not_square_are_read_from_every_form(form, tmp_path):
    generator = small_stylegan2(first_size=[2, 3], channels=[8, 8, 4])
    path = tmp_path / "g"
    if form == "torch":
        path.write_bytes(stylegan2_pickle(generator))
    elif form == "tensorflow":
        pickled = stylegan2_tensorflow_pickle(generator, init_res=[2, 3], verbose=True)
        path.write_bytes(pickled)
    elif form == "ada":
        with path.open("wb") as file:
            write_ada(generator, file)
    else:
        save_generator(generator, path)

    again = load_generator(path)

    w = torch.randn(2, 12)
    assert (again.arch, again.img_size) == (generator.arch, (8, 12))
    assert_close(again.synthesis(w), generator.synthesis(w))


def test_what_takes_square_pictures_says_so():
    generator = small_stylegan2(first_size=[2, 3])

    with pytest.raises(MismatchError, match="pictures are 12x8, and rosinality's program takes"):
        write_rosinality(generator, io.BytesIO())


def test_a_first_size_that_its_constant_does_not_have_is_refused(tmp_path):
    generator = small_stylegan2(first_size=[2, 3])
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_tensorflow_pickle(generator, init_res=[3, 2]))

    with pytest.raises(FileFormatError, match="init_res is not the size of its constant"):
        load_generator(path)


@pytest.mark.parametrize("config", ["t", "r"])
def test_stylegan3_is_read_from_a_pickle(config, tmp_path):
    shape = {"conv_kernel": 1, "use_radial_filters": True} if config == "r" else {}
    torch.manual_seed(2)
    generator = StyleGAN3(
        z_dim=8, w_dim=8, c_dim=2, img_resolution=32, channel_base=128, channel_max=8,
        num_layers=5, **shape,
    )  # fmt: skip
    for name, value in generator.state_dict().items():
        if name.endswith("filter"):
            value.normal_()
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan3_pickle(generator.freeze()))

    again = load_generator(path)

    assert (again.kind, again.space, again.num_ws) == ("stylegan3", "w", 7)
    assert again.arch == generator.arch
    w = torch.randn(2, 8)
    assert torch.equal(again.synthesis(w), generator.synthesis(w))


def test_a_rosinality_checkpoint_is_written_as_it_was(tmp_path, rosinality_file, rosinality_state):
    out = tmp_path / "back.pt"
    with out.open("wb") as file:
        write_rosinality(load_generator(rosinality_file), file)

    back = torch.load(out)

    assert back["g_ema"].keys() == rosinality_state.keys()
    for name, value in rosinality_state.items():
        assert torch.equal(back["g_ema"][name], value), name
    assert torch.equal(back["latent_avg"], torch.load(rosinality_file)["latent_avg"])


def test_an_old_rosinality_checkpoint_with_its_settings_opens(tmp_path, rosinality_state):
    values = read_golden("rosinality-32")
    state = {k: v for k, v in rosinality_state.items() if not k.startswith("noises.")}
    args = argparse.Namespace(path="/data/faces.lmdb", size=32, lr=np.float64(0.002))
    optimiser = {"state": {0: {"step": 3}}, "param_groups": [{"betas": (0.0, 0.99)}]}
    content = {"g": state, "g_ema": state, "g_optim": optimiser, "args": args, "ada_aug_p": 0.1}
    path = tmp_path / "550000.pt"
    torch.save(content, path, _use_new_zipfile_serialization=False)

    generator = load_generator(path)

    img = generator.synthesis(values["w"], noise_mode="none")
    assert_agrees(img, values["img_noise_none"], IMAGE_TOLERANCE)
    assert generator.origin.notes["training_set"] == "/data/faces.lmdb"
    assert "drawn" in generator.origin.notes["noise"]


def test_a_missing_truncation_centre_is_averaged(tmp_path, rosinality_state):
    torch.save({"g_ema": rosinality_state}, tmp_path / "r.pt")

    generator = load_generator(tmp_path / "r.pt")

    z = torch.randn(4096, 64, generator=torch.Generator().manual_seed(9))
    sampled = generator.mapping(z)
    error = (sampled.mean(dim=0) - generator.latent_mean).abs().max()
    assert error < 6 * sampled.std(dim=0).max() / 4096**0.5
    assert "10000" in generator.origin.notes["latent_mean"]


def test_channel_multiplier_and_mapping_depth_come_from_the_shapes(tmp_path):
    state = {"input.input": torch.randn(1, 6, 4, 4)}
    for i in (1, 2):
        state |= {f"style.{i}.weight": torch.randn(5, 5), f"style.{i}.bias": torch.randn(5)}

    def convolution(name, before, after, *, rgb=False):
        kernel = 1 if rgb else 3
        state[f"{name}.conv.weight"] = torch.randn(1, after, before, kernel, kernel)
        state[f"{name}.conv.modulation.weight"] = torch.randn(before, 5)
        state[f"{name}.conv.modulation.bias"] = torch.ones(before)
        if rgb:
            state[f"{name}.bias"] = torch.zeros(1, after, 1, 1)
        else:
            state[f"{name}.noise.weight"] = torch.zeros(1)
            state[f"{name}.activate.bias"] = torch.zeros(after)

    convolution("conv1", 6, 6)
    convolution("to_rgb1", 6, 3, rgb=True)
    convolution("convs.0", 6, 4)
    convolution("convs.1", 4, 4)
    convolution("to_rgbs.0", 4, 3, rgb=True)
    torch.save(state, tmp_path / "bare.pt")

    generator = load_generator(tmp_path / "bare.pt")

    assert generator.arch["channels"] == [6, 4]
    assert generator.arch["num_mapping_layers"] == 2
    assert (generator.resolution, generator.z_dim) == (8, 5)


def test_biggan_classes_are_asked_for_by_name():
    generator = load_generator(find_golden("biggan-64.pth"))
    z = torch.randn(2, generator.z_dim)

    with pytest.raises(ConfigError, match="4 classes"):
        generator.synthesis(z)
    with pytest.raises(ConfigError, match="from 0 to 3"):
        generator.synthesis(z, labels=torch.tensor([0, 4]))
    with pytest.raises(MismatchError, match="class labels"):
        generator.synthesis(z, labels=torch.tensor([0]))


def test_biggan_settings_that_the_file_lacks_are_kept_by_the_native_file(tmp_path):
    options = GeneratorOptions(bn_eps=1e-2)
    generator = load_generator(find_golden("biggan-64.pth"), options=options)

    save_generator(generator, tmp_path / "g.safetensors")
    again = load_generator(tmp_path / "g.safetensors")

    assert again.arch["bn_eps"] == 1e-2


def test_layers_trained_without_noise_open(tmp_path):
    generator = small_stylegan2()
    w = torch.randn(2, 12)
    expected = generator.synthesis(w, noise_mode="none")
    for layer in generator.synthesis.layers():
        del layer.noise_const
        del layer.noise_strength
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_pickle(generator, use_noise=False))

    again = load_generator(path)

    assert torch.equal(again.synthesis(w, noise_mode="const"), expected)


def test_another_activation_is_refused(tmp_path):
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_pickle(small_stylegan2(), activation="relu"))

    with pytest.raises(FileFormatError, match="activation relu"):
        load_generator(path)


def test_missing_unexpected_and_misshapen_tensors_are_all_named(tmp_path):
    generator = small_stylegan2()
    network = generator.synthesis
    del network.b8.conv0.affine.bias
    network.b4.extra = torch.nn.Parameter(torch.zeros(3))
    network.b16.conv1.weight = torch.nn.Parameter(torch.zeros(6, 7, 3, 3))
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_pickle(generator))

    with pytest.raises(FileFormatError) as caught:
        load_generator(path)

    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "missing synthesis.b8.conv0.affine.bias" in message
    assert "unexpected synthesis.b4.extra" in message
    assert "synthesis.b16.conv1.weight [6, 7, 3, 3] instead of [6, 6, 3, 3]" in message


def with_unknown(names, form):
    """A file of a small generator that holds tensors which no StyleGAN2 has."""
    made = small_stylegan2()
    if form == "pickle":
        for name in names:
            made.synthesis.b4.register_buffer(name, torch.zeros(3))
        return stylegan2_pickle(made)
    if form == "TensorFlow":
        variables = {name: np.zeros(3, np.float32) for name in names}
        return stylegan2_tensorflow_pickle(made, further=variables)
    buffer = io.BytesIO()
    write_rosinality(made, buffer)
    content = torch.load(io.BytesIO(buffer.getvalue()))
    content["g_ema"] |= {name: torch.zeros(3) for name in names}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["pickle", "TensorFlow", "rosinality"])
def test_one_unknown_tensor_is_left_out_with_a_warning(tmp_path, form):
    path = tmp_path / "g.pt"
    path.write_bytes(with_unknown(["extra"], form))
    made = small_stylegan2()

    with pytest.warns(MocoWarning, match=rf"{path}: the tensor .*extra.* is unknown and left out"):
        read = load_generator(path)

    assert "extra" in read.origin.notes["left_out"]
    w = torch.randn(2, made.latent_dim)
    assert_close(read.synthesis(w), made.synthesis(w), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["pickle", "TensorFlow", "rosinality"])
def test_two_unknown_tensors_make_another_network(tmp_path, form):
    path = tmp_path / "g.pt"
    path.write_bytes(with_unknown(["extra", "more"], form))

    with pytest.raises(FileFormatError, match=r"unexpected .*extra.*more"):
        load_generator(path)


def test_an_unknown_tensor_takes_the_place_of_none_of_ours(tmp_path):
    path = tmp_path / "g.pt"
    path.write_bytes(with_unknown(["mapping.w_avg"], "rosinality"))
    centre = small_stylegan2().latent_mean

    with pytest.warns(MocoWarning, match=r"mapping\.w_avg \(of the file\)"):
        read = load_generator(path)

    assert torch.equal(read.latent_mean, centre)


def make_own_widths():
    """Return a StyleGAN2 whose mapping has widths of its own."""
    torch.manual_seed(3)
    return StyleGAN2(
        z_dim=8,
        w_dim=12,
        c_dim=3,
        img_resolution=8,
        channels=[8, 8],
        num_mapping_layers=3,
        layer_features=7,
        embed_features=5,
    ).freeze()


def test_tensorflow_mappings_with_widths_of_their_own_open(tmp_path):
    made = make_own_widths()
    path = tmp_path / "g.pkl"
    settings = {"mapping_fmaps": 7, "label_fmaps": 5, "mapping_layers": 3, "label_size": 3}
    path.write_bytes(stylegan2_tensorflow_pickle(made, **settings))

    read = load_generator(path)

    assert (read.arch["layer_features"], read.arch["embed_features"]) == (7, 5)
    z, c, w = torch.randn(2, 8), torch.eye(3)[:2], torch.randn(2, 12)
    assert torch.equal(read.mapping(z, c), made.mapping(z, c))
    assert_close(read.synthesis(w), made.synthesis(w), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("z_dim", [8, 12])
def test_classes_of_tensorflow_networks_from_before_ada_open(z_dim, tmp_path):
    torch.manual_seed(3)
    made = StyleGAN2(
        z_dim=z_dim, w_dim=12, img_resolution=8, channels=[8, 8], num_mapping_layers=2
    ).freeze()
    theirs = torch.randn(3, z_dim)
    first = torch.randn(12, 2 * z_dim)
    variables = {"LabelConcat/weight": theirs.numpy(), "Dense0/weight": first.t().numpy()}
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_tensorflow_pickle(made, mapping=variables, label_size=3))

    read = load_generator(path)

    # As the program of that time: joined, normalised together, then its layers.
    z, c = torch.randn(4, z_dim), torch.eye(3)[[0, 1, 2, 1]]
    x = torch.cat([z, c @ theirs], dim=1)
    x = x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()
    state = made.mapping.state_dict()
    for weight, bias in ((first, state["fc0.bias"]), (state["fc1.weight"], state["fc1.bias"])):
        x = x @ weight.t() * 0.01 / weight.shape[1] ** 0.5 + bias * 0.01
        x = torch.where(x > 0, x, 0.2 * x) * 2**0.5
    assert (read.c_dim, read.arch["joint_normalization"]) == (3, True)
    assert_close(read.mapping(z, c), x, rtol=1e-4, atol=1e-6)
    with (tmp_path / "g.safetensors").open("wb") as file:
        write_generator(read, file)
    again = load_generator(tmp_path / "g.safetensors")
    assert torch.equal(again.mapping(z, c), read.mapping(z, c))
    with (
        (tmp_path / "g.pt").open("wb") as file,
        pytest.raises(MismatchError, match="both together"),
    ):
        write_ada(read, file)


def test_another_resampling_filter_is_refused_by_name(tmp_path):
    generator = small_stylegan2()
    generator.synthesis.b8.resample_filter.fill_(1 / 16)
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_pickle(generator))

    with pytest.raises(FileFormatError, match=r"b8\.resample_filter.*\[1, 3, 3, 1\]"):
        load_generator(path)


def test_the_program_text_in_a_pickle_is_not_run(tmp_path):
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_pickle(small_stylegan2()))
    assert b"raise SystemExit" in path.read_bytes()

    load_generator(path)  # the text would end the interpreter


def test_the_extension_does_not_matter(tmp_path):
    path = tmp_path / "weights.png"
    path.write_bytes(find_golden("ada-skip-64.pkl").read_bytes())

    assert load_generator(path).resolution == 64


def test_a_state_dict_of_parallel_training_opens(tmp_path):
    state = torch.load(find_golden("biggan-64.pth"), weights_only=True)
    torch.save({f"module.{k}": v for k, v in state.items()}, tmp_path / "g.pth")

    assert load_generator(tmp_path / "g.pth").kind == "biggan"


@pytest.mark.parametrize("form", ["pickle", "native", "ada"])
def test_a_mapping_with_widths_of_its_own_opens(tmp_path, form):
    made = make_own_widths()
    path = tmp_path / "g"
    if form == "pickle":
        path.write_bytes(stylegan2_pickle(made))
    else:
        with path.open("wb") as file:
            write_generator(made, file) if form == "native" else write_ada(made, file)

    read = load_generator(path)

    assert read.arch == made.arch
    z, c = torch.randn(2, 8), torch.eye(3)[:2]
    # The same by hand: features of length sqrt(n), then leaky layers of gain sqrt(2).
    state = read.mapping.state_dict()
    embedded = c @ state["embed.weight"].t() / 3**0.5 + state["embed.bias"]
    parts = [x / x.square().mean(dim=1, keepdim=True).sqrt() for x in (z, embedded)]
    x = torch.cat(parts, dim=1)
    for i in range(3):
        weight, bias = state[f"fc{i}.weight"], state[f"fc{i}.bias"]
        x = x @ weight.t() * 0.01 / weight.shape[1] ** 0.5 + bias * 0.01
        x = torch.where(x > 0, x, 0.2 * x) * 2**0.5
    assert_close(read.mapping(z, c), x, rtol=1e-4, atol=1e-5)
