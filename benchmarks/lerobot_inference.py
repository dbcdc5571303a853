# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run LeRobot's own GR00T N1.5 on a checkpoint of ours; run by its own Python.

Usage: lerobot_inference.py CHECKPOINT INPUTS.npz ACTIONS.npy, then lines on standard input:
`threads N` sets the threads; `run` computes a chunk, writes it to ACTIONS.npy and answers with
JSON `[wall ms, CPU ms]`. Without arguments only the import is tried.

LeRobot hard-wires flash attention, which needs a GPU, and downloads the sizes of the 3B model:
SDPA and our sizes are put in their places from outside. The computation is LeRobot's.
"""

import json
from pathlib import Path
import sys
import time

import numpy as np
import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    # A torchvision of another build than torch cannot load its operators: their schemas are
    # declared instead, and it is imported anew.
    for name in [name for name in sys.modules if name.partition('.')[0] == 'torchvision']:
        del sys.modules[name]
    LIBRARY = torch.library.Library('torchvision', 'FRAGMENT')
    LIBRARY.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    LIBRARY.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')

from lerobot.policies.groot import groot_n1
from lerobot.policies.groot.eagle2_hg_model.configuration_eagle2_5_vl import (
    Eagle25VLConfig,
)
from lerobot.policies.groot.eagle2_hg_model.modeling_eagle2_5_vl import (
    Eagle25VLForConditionalGeneration,
)
from safetensors.torch import load_file
from transformers import SiglipVisionModel


def eagle(raw: dict) -> Eagle25VLForConditionalGeneration:
    """Build the vision-language model from `eagle_config`, with SDPA."""
    sdpa = {'_attn_implementation': 'sdpa'}
    text = {**raw['text_config'], 'architectures': ['Qwen3ForCausalLM'], **sdpa}
    config = Eagle25VLConfig(
        **{**raw, 'text_config': text, 'vision_config': {**raw['vision_config'], **sdpa}, **sdpa}
    )
    return Eagle25VLForConditionalGeneration(config, SiglipVisionModel(config.vision_config))


def load(folder: Path) -> groot_n1.GR00TN15:
    """Return LeRobot's model with all weights of the checkpoint; none may be missing or left."""
    raw = json.loads((folder / 'config.json').read_text())
    # In place of a download of the 3B model's configuration.
    groot_n1.ensure_eagle_cache_ready = lambda *_: None
    groot_n1.AutoConfig.from_pretrained = lambda *_, **__: raw['eagle_config']
    groot_n1.AutoModel.from_config = lambda config, **_: eagle(config)
    kept = ('backbone_cfg', 'action_head_cfg', 'action_horizon', 'action_dim')
    config = groot_n1.GR00TN15Config(**{key: raw[key] for key in kept})
    model = groot_n1.GR00TN15(config, str(folder))
    model.load_state_dict(load_file(folder / 'model.safetensors'))
    return model.float().eval()


def main(checkpoint: str, inputs: str, actions: str) -> None:
    """Answer the lines on standard input."""
    answers, sys.stdout = sys.stdout, sys.stderr  # LeRobot prints
    model = load(Path(checkpoint))
    given = {name: torch.from_numpy(value) for name, value in np.load(inputs).items()}
    noise = given.pop('noise')
    eagle_keys = ('pixel_values', 'input_ids', 'attention_mask')
    batch = {f'eagle_{key}': given.pop(key) for key in eagle_keys} | given
    batch['eagle_image_sizes'] = torch.zeros(1)  # deleted unread
    torch.randn = lambda *_, **__: noise.clone()  # the only thing it draws is the noise
    print('ready', file=answers, flush=True)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == 'threads':
            torch.set_num_threads(int(rest[0]))
            continue
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.inference_mode():
            found = model.get_action(batch)['action_pred'].numpy()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        np.save(actions, found)
        print(json.dumps([1e3 * wall, 1e3 * cpu]), file=answers, flush=True)


if __name__ == '__main__' and len(sys.argv) > 1:
    main(*sys.argv[1:])
