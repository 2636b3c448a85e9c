# Both targets make the virtual environment when it is missing; ARGS="key=value ..." is passed on.
PYTHON ?= python3
VENV ?= .venv
READY := $(VENV)/.installed

.PHONY: simulate test chromium
simulate: $(READY)
	$(VENV)/bin/python -m tiprdc_fl.simulate $(ARGS)

test: $(READY) chromium
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/python -m pytest $(ARGS)

# The report's page is tested in Chromium; it is installed when it is missing and that can be done without a question.
chromium:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		if command -v $$name > /dev/null; then exit 0; fi; \
	done; \
	as=$$(test "$$(id -u)" = 0 || echo sudo -n); \
	if command -v apt-get > /dev/null && $$as true 2> /dev/null; then \
		$$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y chromium > /dev/null; \
	else \
		echo "make test needs Chromium for the tests of report.html: install it, such as with: apt-get install chromium" >&2; \
		exit 1; \
	fi

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --upgrade pip
	$(VENV)/bin/pip install --quiet -e '.[chitchat,dev]'
	touch $@
