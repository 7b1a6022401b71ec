"""Features to colours."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.pca import ColorBasis, pca_colors


@pytest.fixture
def features() -> np.ndarray:
    rng = np.random.default_rng(3)
    strengths = np.array([5.0, 3.0, 2.0, 0.5, 0.2, 0.1, 0.1, 0.1])
    rotation, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    return (rng.normal(size=(4000, 8)) * strengths @ rotation.T + rng.normal(size=8)).astype(np.float32)


def test_axes_are_the_principal_directions(features: np.ndarray) -> None:
    basis = ColorBasis.fit(features, cosine=False)
    centred = features.astype(np.float64) - features.mean(axis=0)
    expected = np.linalg.svd(centred, full_matrices=False)[2][:3].T
    overlap = np.abs((basis.axes.numpy() * expected).sum(axis=0))
    np.testing.assert_allclose(overlap, 1, atol=1e-3)


def test_sign_is_fixed_by_the_largest_entry(features: np.ndarray) -> None:
    axes = ColorBasis.fit(features).axes
    assert (axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)) > 0).all()
    np.testing.assert_array_equal(pca_colors(features), pca_colors(features.copy()))


def test_order_of_points_does_not_matter(features: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(len(features))
    difference = pca_colors(features)[order].astype(int) - pca_colors(features[order])
    assert np.abs(difference).max() <= 1


def test_every_colour_channel_is_spread(features: np.ndarray) -> None:
    colors = pca_colors(features)
    assert colors.dtype == np.uint8
    assert colors.shape == (len(features), 3)
    assert (np.percentile(colors, 95, axis=0) - np.percentile(colors, 5, axis=0) > 120).all()
    assert colors.max() == 255


def test_an_outlier_does_not_take_the_range(features: np.ndarray) -> None:
    spoiled = np.concatenate([features, features[:1] + 8])
    assert np.ptp(np.percentile(pca_colors(spoiled)[:-1], (5, 95), axis=0), axis=0).min() > 100


def test_torch_and_half_precision_give_the_same(features: np.ndarray) -> None:
    np.testing.assert_array_equal(pca_colors(torch.from_numpy(features)), pca_colors(features))
    half = pca_colors(features.astype(np.float16)).astype(int)
    assert np.abs(half - pca_colors(features)).max() <= 2


def test_a_shared_basis_gives_the_same_feature_the_same_colour(features: np.ndarray) -> None:
    basis = ColorBasis.fit(features[:1500], features[1000:])
    np.testing.assert_array_equal(basis.colors(features[1000:1500]), basis.colors(features[:1500])[1000:])


def test_colours_tell_directions_not_lengths(features: np.ndarray) -> None:
    lengths = np.random.default_rng(0).uniform(0.1, 10, (len(features), 1)).astype(np.float32)
    difference = pca_colors(features * lengths).astype(int) - pca_colors(features)
    assert np.abs(difference).max() <= 1
    assert np.abs(pca_colors(features * lengths, cosine=False).astype(int) - pca_colors(features)).max() > 50


def test_a_point_without_a_feature_is_no_trouble(features: np.ndarray) -> None:
    features[7] = 0
    assert pca_colors(features).shape == (len(features), 3)


@pytest.mark.parametrize("channels", [1, 2])
def test_fewer_channels_than_colours(features: np.ndarray, channels: int) -> None:
    colors = pca_colors(features[:, :channels], cosine=False)
    assert np.ptp(colors[:, 0]) > 150
    assert np.ptp(colors[:, channels:], axis=0).max() == 0


@pytest.mark.parametrize("rows", [1, 50])
def test_features_without_any_spread_are_grey(rows: int) -> None:
    colors = pca_colors(np.full((rows, 16), 0.37, np.float32))
    assert len(np.unique(colors)) == 1
    assert 100 < colors[0, 0] < 180


def test_many_rows_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch, features: np.ndarray) -> None:
    whole = ColorBasis.fit(features)
    monkeypatch.setattr("ppkt_zoo.visualization.pca._COVARIANCE_BUDGET", 1500.0 * features.shape[1] ** 2)
    part = ColorBasis.fit(features)
    assert (part.axes * whole.axes).sum(dim=0).min() > 0.97


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (np.zeros((0, 4), np.float32), "N ≥ 1"),
        (np.zeros(4, np.float32), r"\(N, C\)"),
        (np.array([[1.0, np.nan]], np.float32), "NaN"),
        (np.array([[1.0, np.inf]], np.float32), "infinity"),
        (np.array([["a"]]), "numbers"),
        ([[1.0]], "array"),
    ],
)
def test_broken_features_are_refused(broken: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pca_colors(broken)


def test_a_basis_refuses_what_does_not_fit(features: np.ndarray) -> None:
    with pytest.raises(InputError, match="channel count"):
        ColorBasis.fit(features, features[:, :4])
    with pytest.raises(InputError, match="at least one"):
        ColorBasis.fit()
    with pytest.raises(InputError, match="4 channels, the colour basis 8"):
        ColorBasis.fit(features).colors(features[:, :4])


def test_a_basis_is_written_and_read(features: np.ndarray, tmp_path: Path) -> None:
    basis = ColorBasis.fit(features, cosine=False)
    found = ColorBasis.load(basis.save(tmp_path / "new" / "basis.safetensors"))
    assert found.cosine is False
    np.testing.assert_array_equal(found.colors(features), basis.colors(features))


def test_a_file_that_is_no_basis_is_refused(features: np.ndarray, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    file = tmp_path / "basis.safetensors"
    with pytest.raises(InputError, match="missing"):
        ColorBasis.load(file)
    ColorBasis.fit(features).save(file)
    whole = file.read_bytes()
    for content in (b"", whole[:-5], b"PK" + whole):
        file.write_bytes(content)
        with pytest.raises(InputError, match="damaged or no safetensors"):
            ColorBasis.load(file)
    tensors = {name: getattr(ColorBasis.fit(features), name) for name in ("mean", "axes", "low", "high")}
    cosine = {"cosine": torch.tensor(1)}
    for changed in (
        tensors,
        tensors | cosine | {"low": torch.full((3,), torch.nan)},
        cosine | {"mean": torch.zeros(0)},
    ):
        save_file(changed, file)
        with pytest.raises(InputError, match="holds no colour basis"):
            ColorBasis.load(file)
