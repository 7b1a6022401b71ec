"""What this project measures: how fast it is, what its weights know, and what they are worth when fine-tuned.

Run everything as a module from the root of the repository, for example

    python -m benchmarks.speed.sparse_conv
    python -m benchmarks.evaluation.run runs/family/* --teachers runs/teachers
    python -m benchmarks.finetuning.run
    python -m benchmarks.reports --check

``speed`` writes ``benchmarks/results/*.json``; ``reports`` writes the pages and the JSON in ``docs/results/``.
"""
