# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the GR00T N1.5 action head of physicalai-train on given weights; run by its own Python.

Usage: physicalai_head_probe.py CHECKPOINT CASE.safetensors FOUND.safetensors. CASE holds
`features`, `state`, `embodiment_id`, `noise`, and for the loss `action`, `action_mask`, `time`.
FOUND gets what each stage gave, one row per Euler step where it runs in every step, `action_pred`
and `loss`.
"""

from importlib.util import find_spec
import json
from pathlib import Path
import sys
import types

from safetensors.torch import load_file, save_file
import torch


def action_head_class():
    """Return the class without importing what the package's `__init__` files ask for."""
    for name in ('physicalai.policies', 'physicalai.policies.groot'):
        stub = types.ModuleType(name)
        stub.__path__ = list(find_spec(name.rpartition('.')[0]).submodule_search_locations)
        stub.__path__ = [f'{place}/{name.rpartition(".")[2]}' for place in stub.__path__]
        stub.__spec__ = find_spec('json')
        stub.__spec__.submodule_search_locations = stub.__path__
        sys.modules[name] = stub
    # Makes objects from configurations; nothing of it computes.
    sys.modules['physicalai.config'] = types.ModuleType('physicalai.config')
    mixin = types.ModuleType('physicalai.config.mixin')
    mixin.FromConfig = type('FromConfig', (), {})
    sys.modules['physicalai.config.mixin'] = mixin
    from physicalai.policies.groot.components.action_head import FlowMatchingActionHead

    return FlowMatchingActionHead


def main(checkpoint: str, case_file: str, found_file: str) -> None:
    """Compute and write."""
    kind, case = action_head_class(), load_file(case_file)
    config = json.loads((Path(checkpoint) / 'config.json').read_text())['action_head_cfg']
    known = kind.__init__.__code__.co_varnames
    head = kind(**{key: value for key, value in config.items() if key in known}).eval()
    weights = load_file(Path(checkpoint) / 'model.safetensors')
    prefix = 'action_head.'
    head.load_state_dict(
        {key.removeprefix(prefix): v for key, v in weights.items() if key.startswith(prefix)}
    )
    stages = {
        'vlln': head.vlln,
        'vl_embs': head.vl_self_attention,
        'state_features': head.state_encoder,
        'action_features': head.action_encoder,
        'temb': head.model.timestep_encoder,
        'dit_out': head.model,
        'decoded': head.action_decoder,
    }
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in stages}
    for name, module in stages.items():
        module.register_forward_hook(
            lambda module, args, out, name=name: seen[name].append(out.detach().clone())
        )
    torch.randn = lambda *_, **__: case['noise'].clone()
    head.sample_time = lambda *_, **__: case['time']
    features = {
        'backbone_features': case['features'],
        'backbone_attention_mask': torch.ones(case['features'].shape[:2], dtype=torch.bool),
    }
    asked = {name: case[name] for name in ('state', 'embodiment_id', 'action', 'action_mask')}
    found = dict(head.get_action(features, asked))
    found |= {name: torch.stack(outputs) for name, outputs in seen.items()}
    with torch.no_grad():
        found['loss'] = head(features, asked)['loss'].reshape(1)
    save_file({key: value.contiguous() for key, value in found.items()}, found_file)


if __name__ == '__main__':
    main(*sys.argv[1:])
