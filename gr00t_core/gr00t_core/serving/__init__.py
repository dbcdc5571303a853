# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Serve a policy over ZMQ and HTTP, and ask one.

`wire` and `client` need numpy, pyzmq and msgpack only: that is what a robot computer installs.
"""
