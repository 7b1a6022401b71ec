"""Shape from depth."""

import numpy as np

from ppkt_zoo.visualization.splat import shade


def tilted(slope: float) -> np.ndarray:
    return (3 + slope * 0.005 * np.mgrid[:120, :160][0]).astype(np.float32)


def test_a_plane_is_evenly_bright_however_steep() -> None:
    for slope in (0.0, 1.0, 3.0):
        bright = shade(tilted(slope), metres=0.005, radius=4, grain=0.02)[30:-30, 30:-30]
        assert np.ptp(bright) < 0.02
        assert bright.min() > 0.8


def test_a_step_darkens_what_lies_behind_it_only() -> None:
    depth = np.full((120, 160), 3.0, np.float32)
    depth[:, :80] = 2.5
    bright = shade(depth, metres=0.005, radius=4, grain=0.02)
    assert bright[60, 84] < 0.8 * bright[60, 150]
    np.testing.assert_allclose(bright[60, 74], bright[60, 5], atol=0.02)


def test_surfaces_turned_from_the_light_are_darker() -> None:
    # A floor seen from above recedes towards the top of the picture; a ceiling towards its bottom.
    floor, ceiling = (shade(tilted(slope), 0.005, 4, 0.02)[60, 80] for slope in (-1.0, 1.0))
    assert floor > 1.1 * ceiling


def test_nothing_seen_is_left_alone() -> None:
    depth = np.full((40, 40), np.inf, np.float32)
    depth[10:20, 10:20] = 2.0
    bright = shade(depth, metres=0.005, radius=3, grain=0.02)
    assert np.isfinite(bright).all()
    assert (bright[np.isinf(depth)] == 1).all()
    assert bright[15, 15] > 0.8
