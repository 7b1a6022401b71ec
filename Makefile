.PHONY: install test lint format types demo bench

install:
	pip install -e ".[test]"

test:
	pytest

lint:
	ruff check .
	ruff format --check .
	lint-imports

format:
	ruff check --fix .
	ruff format .

types:
	mypy

demo:
	ppkt-zoo demo

bench:
	python benchmarks/sparse_conv.py
	python benchmarks/encode.py
	python benchmarks/rooms.py
