"""The pages in docs/results/: figures and verdicts from one JSON a page, words from the templates beside this file.

python -m benchmarks.reports                     # write all pages again from their JSON
python -m benchmarks.reports --check             # fail where a page or a verdict differs from what would be written
"""
