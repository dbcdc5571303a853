# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How long a person's verbs look for nodes."""

# A participant whose first announcements were lost announces itself again after 3 s (Fast DDS).
ANNOUNCED_S = 3.5
