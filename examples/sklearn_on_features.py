"""scikit-learn on frozen features: a classifier from a few clicks a class, and clusters without any label.

python examples/sklearn_on_features.py [WEIGHT] [CLICKS]

Needs scikit-learn: pip install "ppkt-zoo[eval]". One procedural room is labelled by a few points a class, and another
room is named. The same classifier on colour and height alone shows what the features add.
"""

import sys

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ppkt_zoo
from ppkt_zoo.rooms import RoomScenes


def clicks(label: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of a few points of every class that is there: what somebody would click on."""
    known = [one for one in np.unique(label) if one >= 0]
    return np.concatenate([rng.permutation((label == one).nonzero()[0])[:count] for one in known])


def balanced_accuracy(label: np.ndarray, named: np.ndarray) -> float:
    """Mean over the classes that are there: how many of a class's points are named right."""
    return float(np.mean([(named[label == one] == one).mean() for one in np.unique(label)]))


def color_and_height(xyz: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """What is there without a network, float32 (N, 4)."""
    return np.column_stack([rgb / 255, xyz[:, 2]]).astype(np.float32)


def main(weight: str | None = None, count: int = 10, seed: int = 41003) -> dict[str, float]:
    """Balanced accuracy of the named room with and without features, and how well clusters fit its classes."""
    backbone = ppkt_zoo.load_backbone(weight)
    first, second = (RoomScenes(seed=seed, rooms=2)[index] for index in range(2))
    rows = clicks(first.label, count, np.random.default_rng(0))
    # Only classes that were clicked on can be named.
    tested = np.isin(second.label, first.label[rows]).nonzero()[0][::5]

    readout = "few_labels" if backbone.readout is not None else None  # what the weight recommends for this
    inputs = {
        "color and height": [color_and_height(one.xyz, one.rgb) for one in (first, second)],
        "features": [backbone.encode(one.xyz, one.rgb, readout=readout) for one in (first, second)],
    }
    found = {}
    for name, (known, new) in inputs.items():
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
        classifier.fit(known[rows], first.label[rows])
        found[name] = balanced_accuracy(second.label[tested], classifier.predict(new[tested]))
        print(f"{name}: balanced accuracy {found[name]:.3f} on another room, {count} clicks a class")

    sample = inputs["features"][1][tested]
    clusters = MiniBatchKMeans(12, n_init=3, random_state=0).fit_predict(StandardScaler().fit_transform(sample))
    found["clusters"] = float(normalized_mutual_info_score(second.label[tested], clusters))
    print(f"12 clusters without any label: normalised mutual information with the classes {found['clusters']:.3f}")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
