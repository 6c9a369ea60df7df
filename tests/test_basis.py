import io

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from mocotool.basis import PCABasis, read_basis, write_basis
from mocotool.configs.pca import PCAConfig
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.generators.base import Generator
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.pca import LatentMoments, fit_pca_basis, iter_latents, principal_axes


class PlainZ(Generator):
    """A generator whose latents are z itself."""

    kind = "dcgan"
    space = "z"
    c_dim = 0
    z_dim = latent_dim = 6

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.mapping = lambda z, c=None, *, truncation_psi=1.0: z

    @property
    def arch(self):
        return {}


def packed(basis):
    file = io.BytesIO()
    write_basis(basis, file)
    return file.getvalue()


def drawn(generator, config):
    with torch.no_grad():
        return torch.cat(list(iter_latents(generator, config=config))).numpy()


def test_it_agrees_with_scikit_learn_on_the_same_samples(toy_generator):
    config = PCAConfig(num_samples=5000)
    samples = drawn(toy_generator, config).astype(np.float64)
    theirs = PCA(n_components=12, svd_solver="full").fit(samples)

    basis = fit_pca_basis(toy_generator, config=config)

    signs = np.sign((basis.components * theirs.components_).sum(axis=1))
    np.testing.assert_allclose(basis.components * signs[:, None], theirs.components_, atol=2e-6)
    np.testing.assert_allclose(basis.stdev**2, theirs.explained_variance_, rtol=1e-5)
    np.testing.assert_allclose(
        basis.explained_variance_ratio, theirs.explained_variance_ratio_, rtol=1e-5
    )
    np.testing.assert_allclose(basis.mean, theirs.mean_, atol=1e-6)


def test_the_same_seed_gives_the_same_bytes(toy_generator):
    config = PCAConfig(num_samples=1000, seed=3)

    first, second = (packed(fit_pca_basis(toy_generator, config=config)) for _ in range(2))

    assert first == second


def test_another_seed_gives_other_samples(toy_generator):
    first, second = (
        fit_pca_basis(toy_generator, config=PCAConfig(num_samples=100, seed=seed)).stdev
        for seed in (0, 1)
    )

    assert not np.array_equal(first, second)


@pytest.mark.parametrize("batch_size", [7, 100, 5000])
def test_the_batch_size_changes_rounding_only(toy_generator, batch_size):
    whole = fit_pca_basis(toy_generator, config=PCAConfig(num_samples=5000))

    parts = fit_pca_basis(toy_generator, config=PCAConfig(num_samples=5000, batch_size=batch_size))

    np.testing.assert_allclose(parts.components, whole.components, atol=1e-5)
    np.testing.assert_allclose(parts.stdev, whole.stdev, rtol=1e-6)


def test_a_far_mean_costs_no_digits():
    rows = torch.randn(10_000, 3, generator=torch.Generator().manual_seed(0))
    moments, far = LatentMoments(3), LatentMoments(3)

    for part in rows.double().split(100):
        moments.add(part)
        far.add(part + 1e6)

    near, far = moments.finish(), far.finish()
    np.testing.assert_allclose(far.covariance(), near.covariance(), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(far.mean, near.mean + 1e6, rtol=1e-12)


def test_moments_leave_their_input_alone():
    rows = torch.ones(4, 3, dtype=torch.float64)

    LatentMoments(3).add(rows)

    assert rows.eq(1).all()


def test_rows_are_orthonormal_with_the_largest_entry_positive(toy_generator):
    basis = fit_pca_basis(toy_generator, config=PCAConfig(num_samples=1000, num_components=5))

    np.testing.assert_allclose(basis.components @ basis.components.T, np.eye(5), atol=1e-6)
    largest = np.abs(basis.components).argmax(axis=1)
    assert (basis.components[np.arange(5), largest] > 0).all()
    assert (np.diff(basis.stdev) <= 0).all()


def test_a_matrix_without_variance_has_axes_all_the_same():
    variance, axes = principal_axes(np.zeros((3, 3)))

    assert not variance.any()
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)


def test_384_components_are_clipped_to_what_there_is(toy_generator):
    assert fit_pca_basis(toy_generator, config=PCAConfig(num_samples=100)).num_components == 12


def test_384_components_are_kept_where_there_are_more():
    assert PCAConfig().choose_num_components(512) == 384


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_samples": 1}, "num_samples 1: expected at least 2"),
        ({"num_components": 0}, "num_components 0: expected at least 1"),
        ({"num_components": 10, "num_samples": 10}, "at most 9 directions"),
        ({"batch_size": 0}, "batch_size 0: expected at least 1"),
    ],
)
def test_impossible_settings_are_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        PCAConfig(**changes)


def test_more_components_than_dimensions_are_refused(toy_generator):
    with pytest.raises(ConfigError, match="13 components, but the latents have 12 dimensions"):
        fit_pca_basis(toy_generator, config=PCAConfig(num_samples=100, num_components=13))


def test_latents_of_n01_are_isotropic_and_the_basis_says_so():
    basis = fit_pca_basis(PlainZ(), config=PCAConfig(num_samples=50_000))

    np.testing.assert_allclose(basis.stdev, 1.0, atol=0.02)
    assert "arbitrary rotation" in basis.meta.note
    assert basis.meta.as_json()["note"] == basis.meta.note


def test_classes_are_drawn_evenly():
    generator = StyleGAN2(
        z_dim=4, w_dim=6, c_dim=3, img_resolution=8, channels=[4, 4], num_mapping_layers=2
    ).freeze()

    basis = fit_pca_basis(generator, config=PCAConfig(num_samples=200))

    assert basis.num_components == 6


def test_progress_counts_every_latent(toy_generator):
    done = []

    fit_pca_basis(toy_generator, config=PCAConfig(num_samples=5000), progress=done.append)

    assert sum(done) == 5000


def test_a_mapping_that_gives_nan_is_named():
    generator = PlainZ()
    generator.mapping = lambda z, c=None, *, truncation_psi=1.0: z * float("nan")

    with pytest.raises(FileFormatError, match="NaN"):
        fit_pca_basis(generator, config=PCAConfig(num_samples=10))


def test_a_basis_comes_back_as_it_was(toy_generator):
    basis = fit_pca_basis(toy_generator, config=PCAConfig(num_samples=100)).with_command("moco pca")

    found = read_basis(io.BytesIO(packed(basis)), "pca.npz")

    for name in ("components", "stdev", "mean", "explained_variance_ratio"):
        np.testing.assert_array_equal(getattr(found, name), getattr(basis, name))
    assert found.num_samples == 100
    assert found.meta == basis.meta
    assert found.meta.generator == toy_generator.origin.file


def write_official(folder, **arrays):
    arrays = {
        "pca_comp": np.eye(4, dtype=np.float32),
        "pca_stdev": np.arange(4.0, 0.0, -1.0, dtype=np.float32),
        **arrays,
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def test_the_authors_folder_is_read(tmp_path):
    write_official(tmp_path, style_mean=np.ones((1, 4), np.float32))

    basis = read_basis(tmp_path)

    np.testing.assert_array_equal(basis.directions, np.diag([4.0, 3.0, 2.0, 1.0]))
    np.testing.assert_array_equal(basis.mean, np.ones(4))
    assert basis.explained_variance_ratio is None


def test_an_incomplete_folder_is_named(tmp_path):
    write_official(tmp_path)
    (tmp_path / "pca_stdev.npy").unlink()

    with pytest.raises(FileFormatError, match="pca_stdev.npy: no such file"):
        read_basis(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pca_stdev": np.ones(3, np.float32)}, "stdev has shape"),
        ({"pca_stdev": -np.ones(4, np.float32)}, "negative"),
        ({"pca_comp": np.full((4, 4), np.nan, np.float32)}, "finite"),
        ({"pca_comp": np.ones(4, np.float32)}, "components have shape"),
        ({"pca_comp": np.ones((4, 4), int)}, "finite numbers"),
    ],
)
def test_a_basis_that_contradicts_itself_is_named(tmp_path, changes, said):
    write_official(tmp_path, **changes)

    with pytest.raises(FileFormatError, match=said):
        read_basis(tmp_path)


def test_a_file_of_latents_is_no_basis(toy_latents_path):
    with pytest.raises(FileFormatError, match=r"walk\.npz: no field 'components'"):
        read_basis(toy_latents_path)


def test_components_are_counted_up_to_a_share():
    basis = PCABasis(
        components=np.eye(3, dtype=np.float32),
        stdev=np.ones(3, np.float32),
        explained_variance_ratio=np.array([0.5, 0.3, 0.1], np.float32),
    )

    assert [basis.count_components(share) for share in (0.4, 0.79, 0.95)] == [1, 2, None]


def test_arrays_of_a_basis_must_fit():
    with pytest.raises(MismatchError, match="mean"):
        PCABasis(
            components=np.eye(3, dtype=np.float32),
            stdev=np.ones(3, np.float32),
            mean=np.ones(2, np.float32),
        )
