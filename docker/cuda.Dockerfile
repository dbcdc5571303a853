# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# Policy server and training on an amd64 machine with an NVIDIA GPU: `make build` with ROS 2 from wheels, as a developer
# has it, and PyPI's CUDA build of PyTorch, which brings CUDA. The host needs a driver and the NVIDIA container toolkit.
#   docker build -f docker/cuda.Dockerfile -t gr00t:cuda .
FROM ubuntu:24.04 AS base
SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
# To build (g++ also for Inductor: gr00t serve --compile), and to render: gr00t_core/gr00t_core/system_packages.txt.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates g++ libegl-mesa0 libegl1 libgl1-mesa-dri libopengl0 make python3 python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

FROM base AS build
ENV PIP_NO_CACHE_DIR=1
WORKDIR /opt/gr00t
COPY . .
# No GPU is there while an image is built.
RUN TORCH=cuda make build

FROM base AS cuda
COPY --from=build /opt/gr00t /opt/gr00t
RUN useradd --create-home --uid 10001 --groups video gr00t
USER 10001
WORKDIR /home/gr00t
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
ENTRYPOINT ["/opt/gr00t/docker/entrypoint"]
CMD ["gr00t", "doctor"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=900s CMD ["/opt/gr00t/docker/healthy"]
