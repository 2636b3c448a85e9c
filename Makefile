# All targets but chromium make the virtual environment when it is missing; ARGS="key=value ..." is passed on.
PYTHON ?= python3
VENV ?= .venv
READY := $(VENV)/.installed
# Two processes; the tests of a file stay together, since they share runs. WORKERS=0 runs all tests in one.
WORKERS ?= 2
PYTEST := $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: simulate check test lint chromium
simulate: $(READY)
	$(VENV)/bin/python -m tiprdc_fl.simulate $(ARGS)

# In two to four minutes: everything but what starts Flower or Chromium or takes seconds.
check: lint
	$(PYTEST) -m "not slow and not flower and not browser" $(ARGS)

test: lint
	$(PYTEST) $(ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

# For the tests that read report.html in a browser; without it the others run.
chromium:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		if command -v $$name > /dev/null; then exit 0; fi; \
	done; \
	as=$$(test "$$(id -u)" = 0 || echo sudo -n); \
	if command -v apt-get > /dev/null && $$as true 2> /dev/null; then \
		$$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium > /dev/null; \
	else \
		echo "make chromium needs apt-get, and root or sudo without a password: install Chromium by hand" >&2; \
		exit 1; \
	fi

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -e '.[chitchat,dev]'
	touch $@
