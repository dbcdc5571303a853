# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One timeline, live and offline: pairing by stamp, and the rows of a dataset."""
