# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Name N1.7's weights as NVIDIA's files do: the only place that knows its key names.

The token embedding is tied to the unused `lm_head`: NVIDIA's files hold both, Hugging Face's only
`embed_tokens`, LeRobot's only `lm_head`. Any of them loads; both are written.
"""

from gr00t_core.models.weights import HEAD_RULES, Layout, QWEN_RULES

_MODEL = 'backbone.model.model.'

N1_7 = Layout(
    (
        (r'^backbone\.language\.', f'{_MODEL}language_model.'),
        (r'(language_model)\.token_embedding', r'\1.embed_tokens'),
        *QWEN_RULES,
        (r'^backbone\.vision\.', f'{_MODEL}visual.'),
        (r'(visual)\.patch_embedding', r'\1.patch_embed.proj'),
        (r'(visual)\.position_embedding', r'\1.pos_embed.weight'),
        (r'(visual)\.layers', r'\1.blocks'),
        (r'(visual)\.deepstack', r'\1.deepstack_merger_list'),
        (r'(visual\.blocks\.\d+)\.attention\.out_proj', r'\1.attn.proj'),
        (r'(visual\.blocks\.\d+)\.attention', r'\1.attn'),
        (r'(visual\..*)\.fc([12])', r'\1.linear_fc\2'),
        *HEAD_RULES,
    ),
    embed_tokens=f'{_MODEL}language_model.embed_tokens.weight',
    lm_head='backbone.model.lm_head.weight',
    # Of early N1.7 sources and of GR00T-H; both act in training only.
    ignored=('action_head.mask_token', 'action_head.dropout_prob_by_embodiment'),
)


def checkpoint_key(name: str) -> str:
    """Return NVIDIA's key of one of N1.7's parameter names."""
    return N1_7.key(name)
