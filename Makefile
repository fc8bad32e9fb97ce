# Everything runs in the development host's own environment, which `make host` builds in a cache
# outside this folder. VIDEOGRAIN_COMFYUI=/path/to/ComfyUI uses an existing installation instead.

PROVISION := python3 tools/provision.py
OLDEST := 0.16.3
NEWEST := 0.30.0
HOST_VERSIONS ?= $(if $(VIDEOGRAIN_COMFYUI),installed,$(NEWEST) $(OLDEST))
MATRIX := $(OLDEST) 0.18.2 0.20.1 0.24.1 0.26.0 0.27.0 $(NEWEST)

# The environment has no bytecode until it is used: without, every start of ComfyUI compiles thousands of modules.
unexport PYTHONDONTWRITEBYTECODE

# Shell prefix: runs the host's Python, or stops with the provisioner's message.
python = python="$$($(PROVISION) --print-python)" && "$$python"

# The same, and whether this module is the overlay's.
overlaid = $(python) -c 'import $1 as it, os, sys; sys.exit(not it.__file__.startswith(os.environ["PYTHONPATH"] + os.sep))'

.PHONY: help host demo workflows pictures schema train-demo bench bench-edit bench-gate bench-reconstruction bench-response bench-track bench-track-split bench-check bench-previews proof-tables test lint unit compatibility test-media test-host test-e2e test-browser test-headless-opencv test-newest-frontend test-newest-kernels matrix soak release-check
help:  ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

host:  ## provision ComfyUI and its environment (a no-op when complete)
	@$(PROVISION)

demo:  ## edit the demo clip in a real ComfyUI; results in demo/out/
	@$(python) demo/run.py

workflows:  ## make workflows/ and subgraphs/ again from tools/workflows/, in Chromium
	@$(python) tools/workflows/make_workflow.py
	@$(python) tools/workflows/make_blueprint.py

pictures:  ## make the help pages' pictures (js/docs/*.webp) and README's again, from real runs in Chromium
	@$(python) tools/workflows/make_pictures.py && "$$python" tools/workflows/make_short_way.py

schema:  ## record what nodes offer (tests/schema.json, locales/en); refuses what breaks saved workflows
	@export VIDEOGRAIN_COMFYUI_TREE="$$($(PROVISION) --print-comfyui)" VIDEOGRAIN_WRITE_SCHEMA=1; $(python) -m pytest -q tests/host/test_schema.py tests/host/test_texts.py

compatibility:  ## docs/compatibility.md from what the host tests found, which stands in tests/out/
	@$(python) tests/support/compatibility_page.py

train-demo:  ## train the next demo model; continues where it stopped (ARGS="--minutes 60")
	@python3 demo/train.py $(ARGS)

bench:  ## speed and memory, to benchmarks/SPEED.md: half an hour on a CPU (ARGS=--quick: that it runs)
	@tree="$$($(PROVISION) --print-comfyui)" && $(python) benchmarks/speed.py --tree "$$tree" $(ARGS)

proof-tables:  ## README's and SPEED.md's tables of real cards (FILE="one/proof.json another/proof.json"; see proof/)
	@$(python) tools/proof_tables.py $(FILE)

bench-edit:  ## how well it edits, beside recipes of stock nodes; resumes; in benchmarks/out/ (ARGS=--quick: in 5 minutes)
	@tree="$$($(PROVISION) --print-comfyui)" && $(python) benchmarks/edit_quality.py --tree "$$tree" $(ARGS)

bench-gate:  ## does the edit benchmark's score tell stickers from edits? minutes; to benchmarks/ruler/gate.json
	@$(python) benchmarks/gate.py $(ARGS)

bench-reconstruction:  ## does every frame come back from inversion? 25 clips, to benchmarks/RECONSTRUCTION.md: an hour
	@tree="$$($(PROVISION) --print-comfyui)" && $(python) benchmarks/reconstruction.py --tree "$$tree"

bench-track:  ## how well Track Regions follows things, to benchmarks/TRACK.md: an hour
	@tree="$$($(PROVISION) --print-comfyui)" && $(python) benchmarks/track.py --tree "$$tree" $(ARGS)

bench-track-split:  ## how well Split Instances tells apart what crosses, into benchmarks/TRACK.md: ten minutes
	@tree="$$($(PROVISION) --print-comfyui)" && $(python) benchmarks/track_split.py --tree "$$tree"

bench-check:  ## how well Region Check tells what went wrong, to benchmarks/CHECK.md: half an hour
	@tree="$$($(PROVISION) --print-comfyui)" && $(python) benchmarks/check.py --tree "$$tree" $(ARGS)

bench-previews:  ## does Preview Seeds pick a better seed than the first? in benchmarks/out/: an hour
	@tree="$$($(PROVISION) --print-comfyui)" && $(python) benchmarks/previews.py --tree "$$tree" $(ARGS)

bench-response:  ## how fast the views answer with 32 frames, to benchmarks/RESPONSE.md
	@$(python) benchmarks/response.py

# Two suites at a time, the longest first, one thread each: their tensors are too small to keep two cores busy.
test: lint host  ## every test
	@OMP_NUM_THREADS=1 $(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going \
	  test-browser $(HOST_VERSIONS:%=test-host-%) test-e2e unit test-media OLDER_SKIP=once

lint:  ## ruff: rules and formatting
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .

unit:  ## the method, without ComfyUI
	@$(python) -m pytest tests/unit

test-media:  ## real footage, fetched once into the cache, against the ffmpeg program
	@$(python) -m pytest tests/media

test-host: $(HOST_VERSIONS:%=test-host-%)  ## nodes inside ComfyUI's own process, on the oldest and the newest supported version

test-host-%:
	@options=$$([ "$*" = installed ] || echo "--version $*"); \
	tree="$$($(PROVISION) $$options --print-comfyui)" || exit 1; \
	echo "host tests in $$tree"; export VIDEOGRAIN_COMFYUI_TREE="$$tree"; \
	$(python) -m pytest tests/host $(if $(and $(OLDER_SKIP),$(filter-out $(NEWEST) installed,$*)),-m "not soak and not $(OLDER_SKIP)")

matrix: host  ## every version of ComfyUI, the newest frontend and kernels, both builds of OpenCV: two hours or more
	@OMP_NUM_THREADS=1 $(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going \
	  test-newest-frontend test-newest-kernels $(MATRIX:%=test-host-%) $(MATRIX:%=test-e2e-%) test-headless-opencv \
	  OLDER_SKIP=once

test-headless-opencv:  ## what uses OpenCV, with its headless build instead
	@export PYTHONPATH="$$($(PROVISION) --print-overlay headless-opencv)" VIDEOGRAIN_COMFYUI_TREE="$$($(PROVISION) --print-comfyui)"; \
	$(call overlaid,cv2) && \
	"$$python" -m pytest $(addprefix tests/unit/test_,flow.py marks.py metrics.py evaluation.py) && \
	"$$python" -m pytest $(addprefix tests/host/test_,flow_guided.py marks.py evaluate_edit.py)

test-newest-kernels:  ## host tests with the newest comfy-kitchen and comfy-aimdo
	@overlay="$$($(PROVISION) --print-overlay newest-kernels)" && tree="$$($(PROVISION) --print-comfyui)" || exit 1; \
	export PYTHONPATH="$$overlay" VIDEOGRAIN_COMFYUI_TREE="$$tree"; \
	$(call overlaid,comfy_kitchen) && "$$python" -m pytest tests/host -m "not soak and not once"

test-newest-frontend:  ## browser tests in the newest comfyui-frontend-package
	@overlay="$$($(PROVISION) --print-overlay newest-frontend)" || exit 1; \
	export PYTHONPATH="$$overlay"; $(call overlaid,comfyui_frontend_package) && "$$python" -m pytest tests/browser

soak:  ## 600 frames in chunks on the demo model, stopped once and resumed, and 200 prompts in a row: hours on a CPU
	@export VIDEOGRAIN_COMFYUI_TREE="$$($(PROVISION) --print-comfyui)"; $(python) -m pytest -s -m soak tests/host/test_soak.py tests/host/test_prompts.py

test-e2e: test-e2e-$(NEWEST)  ## a real server: API, progress, interrupt

test-e2e-%:
	@echo "end-to-end tests on ComfyUI $*"; export VIDEOGRAIN_E2E_VERSION=$*; $(python) -m pytest tests/e2e

test-browser:  ## the real frontend in Debian's Chromium; screenshots in tests/browser/out/
	@$(python) -m pytest tests/browser

release-check:  ## what is missing before the pack can be published (Python 3.11 and nothing else)
	@python3 tools/release_check.py $(ARGS)
