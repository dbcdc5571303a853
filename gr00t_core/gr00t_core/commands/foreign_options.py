# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answer options that a verb does not have, but that a user knows from elsewhere, with ours.

Sources: Isaac-GR00T n1.5-release, scripts/gr00t_finetune.py, inference_service.py and
eval_policy.py; and earlier versions of this suite.
"""

from collections.abc import Sequence

from gr00t_core.engines.options import FORMER

_EMBODIMENT = {'--embodiment': 'use --embodiment-tag'}
_CHECKPOINT = {'--model-path': 'use --checkpoint'}
_DATASET = {'--dataset-path': 'use --dataset'}
_ENGINE = {'--backend': 'use --engine'}

# Verb → option → what to write instead.
INSTEAD: dict[str, dict[str, str]] = {
    'finetune': {
        **_DATASET,
        **_EMBODIMENT,
        '--base-model-path': 'use --checkpoint',
        '--output-dir': 'use --output',
        '--num-gpus': 'use torchrun --nproc-per-node N -m gr00t_training.finetune',
        '--dataloader-workers': 'use --dataloader-num-workers',
    },
    'evaluate': {
        **_CHECKPOINT,
        **_DATASET,
        **_EMBODIMENT,
        '--plot': 'plots are always made',
        '--trajs': 'use --episodes',
        '--modality-keys': 'all groups are compared',
        '--save-plot-path': 'use --output',
        **_ENGINE,
        '--out': 'use --output',
    },
    'serve': {
        **_CHECKPOINT,
        **_EMBODIMENT,
        '--host': 'use --bind tcp://HOST:PORT',
        '--port': 'use --bind tcp://HOST:PORT',
        '--http-server': 'use --http-port PORT',
        '--api-token': 'use --token-file FILE, or the variable GR00T_API_TOKEN',
        '--use-tensorrt': 'use --engine tensorrt',
        **_ENGINE,
        '--server': '`gr00t serve` is the server, `gr00t client` the client',
        '--client': 'use `gr00t client`',
    },
    'client': {
        **_DATASET,
        '--host': 'use --address tcp://HOST:PORT',
        '--port': 'use --address tcp://HOST:PORT',
        '--api-token': 'use --token-file FILE, or the variable GR00T_API_TOKEN',
    },
    'benchmark': {**_CHECKPOINT, **_EMBODIMENT, **_ENGINE, '--out': 'use --output'},
    'export': _EMBODIMENT,
    'sim': {**_CHECKPOINT, '--out': 'use --output'},
}


def instead(verb: str, argv: Sequence[str]) -> str | None:
    """Return what to write in place of the first option that the verb does not have, if known."""
    known = INSTEAD.get(verb, {})
    for word, following in zip(argv, [*argv[1:], '']):
        option, _, value = word.partition('=')
        option = option.replace('_', '-')
        if option in known:
            engine = FORMER.get(value or following, value or following)
            told = f'{known[option]} {engine}'.rstrip() if option in _ENGINE else known[option]
            return f'there is no {option} here; {told}'
    return None
