# Both targets make the virtual environment when it is missing; ARGS="key=value ..." is passed on.
PYTHON ?= python3
VENV ?= .venv
READY := $(VENV)/.installed

.PHONY: simulate test
simulate: $(READY)
	$(VENV)/bin/python -m tiprdc_fl.simulate $(ARGS)

test: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/python -m pytest $(ARGS)

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -e '.[chitchat,dev]'
	touch $@
