"""What ONNX graphs compute is what the networks they were made of compute."""

import sys

import numpy as np
import pytest
import torch
from reference.golden_files import find_golden

from mocotool.errors import MismatchError, UnavailableError
from mocotool.generators.loading import load_generator, save_generator
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.motion.checkpoint import load_motion, save_motion
from mocotool.motion.guided import GuidedMotion
from mocotool.onnx_graphs import export_onnx, require_onnx

TOLERANCE = 1e-4  # both are float32, and sum in orders of their own


def run(path, **inputs):
    """Run a graph by onnxruntime; return its outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {name: np.asarray(value) for name, value in inputs.items()})


@pytest.fixture
def onnx():
    pytest.importorskip("onnxscript", reason="needs pip install 'mocotool[onnx]'")
    pytest.importorskip("onnxruntime", reason="needs pip install onnxruntime")


@pytest.mark.slow
def test_a_generator_of_classes_computes_the_same_for_any_number_of_pictures(onnx, tmp_path):
    torch.manual_seed(0)
    generator = StyleGAN2(
        z_dim=8, w_dim=12, c_dim=3, img_resolution=16, channels=[8, 8, 8], num_mapping_layers=2
    ).freeze()
    for layer in generator.synthesis.layers():
        layer.noise_strength.fill_(0.3)
    save_generator(generator, tmp_path / "g.safetensors")

    mapping, synthesis = export_onnx(tmp_path / "g.safetensors", tmp_path / "graphs")

    z, c = torch.randn(5, 8), torch.eye(3)[[0, 1, 2, 0, 1]]
    latent = generator.mapping(z, c)
    np.testing.assert_allclose(run(mapping, z=z, c=c)[0], latent, rtol=0, atol=TOLERANCE)
    img = generator.synthesis(latent)
    np.testing.assert_allclose(run(synthesis, latent=latent)[0], img, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_a_biggan_takes_latents_and_classes_together(onnx, tmp_path):
    generator = load_generator(find_golden("biggan-64.pth"))

    (synthesis,) = export_onnx(find_golden("biggan-64.pth"), tmp_path)

    latent, labels = torch.randn(3, generator.z_dim), torch.tensor([0, 2, 1])
    with torch.no_grad():
        img = generator.synthesis(latent, labels=labels)
    got = run(synthesis, latent=latent, labels=labels)[0]
    np.testing.assert_allclose(got, img, rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_motion_steps_walk_as_the_model_does(onnx, toy_folder, tmp_path):
    motion = load_motion(toy_folder / "motion.safetensors")
    latent, noise = torch.randn(3, 12), torch.randn(3, 6, 6)

    start, step = export_onnx(toy_folder / "motion.safetensors", tmp_path)

    walk = [latent.numpy()]
    hidden, cell = run(start, latent=latent)
    for frame in noise.unbind(dim=1):
        moved, hidden, cell = run(step, latent=walk[-1], hidden=hidden, cell=cell, noise=frame)
        walk.append(moved)
    with torch.no_grad():
        expected = motion(latent, noise)
    np.testing.assert_allclose(np.stack(walk, axis=1), expected, rtol=0, atol=TOLERANCE)


def test_what_has_no_graph_is_refused_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr("mocotool.onnx_graphs.require_onnx", lambda: None)
    guided = GuidedMotion(
        latent_dim=4,
        noise_dim=2,
        hidden_dim=3,
        components=torch.eye(4),
        stdev=torch.ones(4),
        step_size=0.2,
    )
    save_motion(guided, tmp_path / "motion.safetensors")

    with pytest.raises(MismatchError, match="learnt from latents has no ONNX form"):
        export_onnx(tmp_path / "motion.safetensors", tmp_path)


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)

    with pytest.raises(UnavailableError) as caught:
        require_onnx()

    assert "mocotool[onnx]" in caught.value.hint
