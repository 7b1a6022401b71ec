.PHONY: install native check lint types test plain sanitizers docs site notebooks format demo build

install:
	pip install -e ".[test]"

native:
	python -m ppkt_zoo.native build

check: lint types plain test

lint:
	ruff check .
	ruff format --check .
	lint-imports

types:
	mypy

plain:
	python tools/check_plain_install.py

test:
	pytest

sanitizers:
	python tools/check_sanitizers.py

docs:
	python tools/update_docs.py
	python tools/draw_architecture.py

site:
	python tools/build_site.py

notebooks:
	python tools/run_notebooks.py

format:
	ruff check --fix .
	ruff format .

demo:
	ppkt-zoo demo

build:
	rm -rf dist
	python -m build
	twine check --strict dist/*
