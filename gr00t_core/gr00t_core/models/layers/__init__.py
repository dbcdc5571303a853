# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the networks of all families are made of; knows no family.

`attention` holds attention and feed-forward, `qwen3` the layers of the language model, `dit` the
diffusion transformer and the self-attention over the vision-language features, `category` the maps
with one set of weights per embodiment slot. `action_head` is flow matching with these; a family's
`head` adds what is its own. `config` and `sizes`: what the config.json files have in common.
"""
