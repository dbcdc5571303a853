# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the networks of all families are made of; knows no family.

    attention      attention and feed-forward
    qwen3          layers of the language model
    dit            diffusion transformer, and self-attention over the vision-language features
    category       maps with one set of weights per embodiment slot
    action_head    flow matching with these; a family's `head` adds what is its own
    config, sizes  what the config.json files have in common
"""
