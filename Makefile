# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help

# Everything below runs in the sourced environment, on a ROS graph that stays on this machine.
IN_ENV := source .venv/setup.bash && source install/setup.bash && \
	eval "$$(python -m gr00t_core.dds_profile gr00t_bringup/config/fastdds_shm.xml)" &&
export ROS_AUTOMATIC_DISCOVERY_RANGE := LOCALHOST

TYPED := gr00t_core/gr00t_core gr00t_training/gr00t_training rosbag_tools/rosbag_tools gr00t_sim/gr00t_sim
NODES := gr00t_ros/gr00t_ros gr00t_policy_node/gr00t_policy_node gr00t_console/gr00t_console gr00t_so101/gr00t_so101 gr00t_bringup/gr00t_bringup
BENCHES := $(wildcard $(patsubst %,benchmarks/%.py,node_latency handover convert random_access train inference_cpu))

.PHONY: help setup build demo libero reproduce corrections test lint bench bench-gpu clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup:  ## make or update .venv (ROS 2 wheels unless a ROS distribution is sourced)
	@setup/setup.sh

build: setup  ## build the workspace into install/
	@setup/build.sh

demo: build  ## record, convert, finetune and run in the simulator, small; writes demo/index.html
	@$(IN_ENV) python -m gr00t_sim.demo

libero: build  ## install LIBERO, the second simulated robot, into .venv (0.75 GB to download)
	@echo 'libero: 0.75 GB to download, 1.3 GB on disk; what belongs to whom: docs/how-to/libero.md'
	@.venv/bin/python -m pip install --disable-pip-version-check --no-deps -r requirements/libero.txt
	@.venv/bin/python -c 'from gr00t_sim.scenes.libero.tasks import require; require()'

reproduce: build  ## make the shipped checkpoint again, from nothing (hours; ARGS=--smoke for minutes)
	@$(IN_ENV) python reproduce/run.py $(ARGS)

corrections: build  ## measure what corrections are worth to the shipped policy (about an hour; ARGS=--smoke for minutes)
	@$(IN_ENV) python reproduce/corrections.py $(ARGS)

test: build  ## run the tests of all packages (ARGS='--with slow -k name' for more or fewer)
	@$(IN_ENV) setup/test.sh $(ARGS)

lint: setup  ## check style and types (`make test` checks package.xml files and import arrows)
	@failed=0; \
	.venv/bin/ruff check . || failed=1; \
	.venv/bin/ruff format --check . || failed=1; \
	.venv/bin/mypy $(TYPED) $(NODES) || failed=1; \
	exit $$failed

bench: build  ## run the benchmarks that need no GPU
	@$(IN_ENV) for script in $(BENCHES); do echo "== $$script"; python "$$script"; done

bench-gpu: build  ## run the benchmarks that need an NVIDIA GPU (without one they say so)
	@$(IN_ENV) for script in $(wildcard benchmarks/*_gpu.py); do echo "== $$script"; python "$$script"; done

clean:  ## remove what build and tools made; .venv stays
	rm -rf build install log .mypy_cache .ruff_cache .pytest_cache .hypothesis */build */*.egg-info
