# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Policy server on a Jetson Orin with JetPack 6.2: CUDA 12.6, TensorRT 10.3 and Python 3.10 of NVIDIA's image.
# For JetPack 7.2 (CUDA 13.2, TensorRT 10.16, Python 3.12) give BASE and TORCH: docs/how-to/jetson.md.
# No ROS: the nodes run beside it, in gr00t:cpu (compose.policy.yaml), and talk to it over a socket.
#   docker build -f docker/orin.Dockerfile -t gr00t:orin .          (on the Jetson; not tried: none was at hand)
ARG BASE=nvcr.io/nvidia/l4t-jetpack:r36.4.0
FROM ${BASE} AS base
SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

FROM base AS build
# PyTorch for JetPack 6 comes from NVIDIA's index for Jetsons; everything else from PyPI. TORCH may be a wheel's address.
ARG TORCH_INDEX=https://pypi.jetson-ai-lab.io/jp6/cu126
ARG TORCH=torch
ENV PIP_NO_CACHE_DIR=1
WORKDIR /opt/gr00t
COPY . .
# TensorRT is the image's, hence its site-packages.
RUN python3 -m venv --system-site-packages .venv \
 && .venv/bin/pip install --index-url "$TORCH_INDEX" "$TORCH" \
 && grep -vE '^(torch|onnxruntime)==' requirements/core.txt >/tmp/core.txt \
 && grep -E '^onnx(script)?==' requirements/train.txt >>/tmp/core.txt \
 && .venv/bin/pip install --requirement /tmp/core.txt \
 && .venv/bin/pip install --no-deps ./gr00t_core

FROM base AS orin
COPY --from=build /opt/gr00t /opt/gr00t
RUN useradd --create-home --uid 10001 --groups video gr00t
USER 10001
WORKDIR /home/gr00t
ENTRYPOINT ["/opt/gr00t/docker/entrypoint"]
CMD ["gr00t", "doctor"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=900s CMD ["/opt/gr00t/docker/healthy"]
