# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a dataset: read, write and join its videos."""
