"""t-SNE of features by class."""

import numpy as np
import pytest

from ppkt_zoo.errors import InputError
from ppkt_zoo.visualization.plots import Panel, tsne_embedding, tsne_picture


@pytest.fixture(scope="module")
def groups() -> tuple[np.ndarray, np.ndarray]:
    """Three directions in 60 channels with noise, 40 rows each, of very different lengths."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(60, 60)))[0][:3]
    labels = np.repeat(np.arange(3), 40)
    length = rng.uniform(0.1, 10, (120, 1))
    return (length * (directions[labels] + 0.03 * rng.normal(size=(120, 60)))).astype(np.float32), labels


def nearest_agree(xy: np.ndarray, labels: np.ndarray) -> float:
    distance = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    return float((labels[distance.argmin(axis=1)] == labels).mean())


def test_groups_stay_together_whatever_their_lengths(groups: tuple[np.ndarray, np.ndarray]) -> None:
    features, labels = groups
    xy = tsne_embedding(features, seed=1, perplexity=10)
    assert xy.shape == (120, 2)
    assert xy.dtype == np.float32
    assert nearest_agree(xy, labels) == 1.0
    np.testing.assert_array_equal(xy, tsne_embedding(features, seed=1, perplexity=10))
    noise = np.random.default_rng(1).normal(size=features.shape)
    assert nearest_agree(tsne_embedding(noise, seed=1, perplexity=10), labels) < 0.7


def test_what_cannot_be_embedded_is_named() -> None:
    with pytest.raises(InputError, match="more than 30 rows, got 30"):
        tsne_embedding(np.ones((30, 4)))
    with pytest.raises(InputError, match="NaN or infinity"):
        tsne_embedding(np.full((40, 4), np.nan))
    with pytest.raises(InputError, match=r"shape \(N, C\)"):
        tsne_embedding(np.ones(40))


def test_picture_shows_each_class_in_its_colour() -> None:
    xy = np.stack(np.meshgrid(np.arange(20.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
    labels = np.arange(200) % 2
    one = tsne_picture([Panel("a", xy)], labels, ["wall", "floor"])
    two = tsne_picture([Panel("a", xy), Panel("b", -xy)], labels, ["wall", "floor"])
    assert two.width == pytest.approx(2 * one.width, abs=2)
    assert two.height == one.height
    blue, red = (59, 111, 182), (209, 96, 61)
    colors = {color: count for count, color in one.getcolors(1 << 20)}
    assert min(colors[blue], colors[red]) > 500
    alone = tsne_picture([Panel("a", xy)], np.zeros(200, dtype=int), ["wall", "floor"])
    # The legend still names the class that is absent, but no point has its colour.
    assert {color: count for count, color in alone.getcolors(1 << 20)}.get(red, 0) < 200


def test_picture_refuses_what_does_not_fit() -> None:
    panel = Panel("a", np.zeros((5, 2)))
    with pytest.raises(InputError, match="at least one panel"):
        tsne_picture([], np.zeros(5, dtype=int), ["wall"])
    with pytest.raises(InputError, match=r"'a' must be \(4, 2\)"):
        tsne_picture([panel], np.zeros(4, dtype=int), ["wall"])
    with pytest.raises(InputError, match=r"0\.\.0, got 0 to 1"):
        tsne_picture([panel], np.array([0, 1, 0, 0, 0]), ["wall"])
