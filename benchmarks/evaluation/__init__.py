"""What frozen features know: linear probes, kNN, retrieval, clusters, similarity search, on data no weight has seen.

``material`` gives the labelled clouds, ``students`` the networks, ``measure`` asks them, ``collect`` joins the results
for the pages. ``ablation`` trains short runs that differ in one value, ``pilot_runs`` long ones that differ in
one thing from a control (pilots.yaml); ``realism`` looks at the rendered frames.
"""
