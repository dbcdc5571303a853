# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# The whole suite on ROS 2 from apt, PyTorch and ONNX Runtime for the CPU: nodes, recorder, tools. amd64 and arm64.
# It is the `apt` job of CI in an image.   docker build -f docker/cpu.Dockerfile -t gr00t:cpu .
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base AS base
SHELL ["/bin/bash", "-eo", "pipefail", "-c"]
# To build, and to render the simulator's cameras: gr00t_core/gr00t_core/system_packages.txt.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ libegl-mesa0 libegl1 libgl1-mesa-dri libopengl0 make python3 python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*

FROM base AS build
ENV PIP_NO_CACHE_DIR=1
WORKDIR /opt/gr00t
COPY . .
# ament_python is a build type that rosdep has no key for.
RUN apt-get update \
 && rosdep update --rosdistro "$ROS_DISTRO" \
 && rosdep install --from-paths . --ignore-src -y --skip-keys ament_python \
 && . "/opt/ros/$ROS_DISTRO/setup.bash" \
 && make build

FROM base AS cpu
WORKDIR /opt/gr00t
COPY --from=build /opt/gr00t /opt/gr00t
RUN apt-get update \
 && rosdep update --rosdistro "$ROS_DISTRO" \
 && rosdep install --from-paths . --ignore-src -y --skip-keys ament_python -t exec \
 && rm -rf /var/lib/apt/lists/* /root/.ros \
 && useradd --create-home --uid 10001 --groups video gr00t
USER 10001
WORKDIR /home/gr00t
ENTRYPOINT ["/opt/gr00t/docker/entrypoint"]
CMD ["gr00t", "doctor"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=900s CMD ["/opt/gr00t/docker/healthy"]
