# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Name N1.5's weights as NVIDIA's files do: the only place that knows its key names."""

from gr00t_core.models.weights import HEAD_RULES, Layout, QWEN_RULES

_LANGUAGE = 'backbone.eagle_model.language_model.'
EMBED_TOKENS = f'{_LANGUAGE}model.embed_tokens.weight'
LM_HEAD = f'{_LANGUAGE}lm_head.weight'

N1_5 = Layout(
    (
        # Language model
        (r'^backbone\.language\.', f'{_LANGUAGE}model.'),
        (r'(language_model\.model)\.token_embedding', r'\1.embed_tokens'),
        *QWEN_RULES,
        # Vision tower and connector
        (r'^backbone\.vision\.', 'backbone.eagle_model.vision_model.vision_model.'),
        (r'(vision_model)\.patch_embedding', r'\1.embeddings.patch_embedding'),
        (r'(vision_model)\.position_embedding', r'\1.embeddings.position_embedding.weight'),
        (r'(vision_model)\.post_norm', r'\1.post_layernorm'),
        (r'(vision_model)\.pooling_head\.norm', r'\1.head.layernorm'),
        (r'(vision_model)\.pooling_head', r'\1.head'),
        (r'(vision_model)\.layers', r'\1.encoder.layers'),
        (r'(encoder\.layers\.\d+)\.norm([12])', r'\1.layer_norm\2'),
        (r'(encoder\.layers\.\d+)\.attention', r'\1.self_attn'),
        (r'^backbone\.connector', 'backbone.eagle_model.mlp1.0'),
        (r'^backbone\.projection', 'backbone.eagle_linear'),
        *HEAD_RULES,
    ),
    EMBED_TOKENS,
    LM_HEAD,
)


def checkpoint_key(name: str) -> str:
    """Return NVIDIA's key of one of N1.5's parameter names."""
    return N1_5.key(name)
