"""Comparisons with a real GPU, on the pretended one, so that no GPU is the first to run them."""

import pytest
from gpu import test_cuda_agrees as agrees
from pretend import DEVICE, pretend_device

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch):
    monkeypatch.setattr(agrees, "CUDA", DEVICE)
    with pretend_device():
        yield


@pytest.mark.parametrize("family", agrees.BUILT)
def test_a_network(family):
    agrees.test_a_network_renders_the_same(family, None)


@pytest.mark.parametrize("name", agrees.FILES)
def test_a_file(name):
    agrees.test_a_file_renders_the_same(name, None)


@pytest.mark.parametrize(("recipe", "cross_domain"), agrees.RECIPES)
def test_a_step_of_motion(recipe, cross_domain, toy_generator_path, toy_pca_path):
    agrees.test_a_step_of_motion_is_the_same(
        recipe, cross_domain, toy_generator_path, toy_pca_path, None
    )


def test_a_step_of_images():
    agrees.test_a_step_of_images_is_finite_there()
