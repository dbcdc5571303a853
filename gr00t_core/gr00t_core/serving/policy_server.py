# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Say requests and replies in the form of NVIDIA's PolicyServer (N1.6, N1.7), and read that form.

The suite's own form is N1.5's: flat keys (`video.front`, `state.arm`, `annotation.…`), a batch
axis where there is a batch, and a bare action map as the reply. PolicyServer's form:

* get_action takes `{observation, options}`. The observation is nested: `video` {camera: uint8
  (B, T, h, w, 3)}, `state` {group: float32 (B, T, D)}, `language` {key: B lists of T texts}. With
  NVIDIA's `--use-sim-policy-wrapper` its keys are flat, and so are those of the reply.
* the reply is a list of two: `{group: float32 (B, H, D)}` in absolute physical units, and a map
  of information.

Everything here is a pure function of messages; `wire` turns them into bytes. What comes from the
network is checked before it is used. Shapes: B batch · T observation steps · D elements of a group
· H action horizon.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import ServingError
from gr00t_core.instructions import flattened, shown

OBSERVED = ('video', 'state', 'language')
REQUEST_KEYS = ('observation', 'options')
MAX_KEYS = 256  # of one map
MAX_KEY_CHARACTERS = 200
MAX_BATCH = 256


@dataclass(frozen=True)
class ActionConfig:
    """How the model represents an action group; the server's actions are absolute all the same.

    Attributes:
        rep: `ABSOLUTE`, `RELATIVE` or `DELTA`.
        type: `NON_EEF` or `EEF`.
        format: `DEFAULT`, `XYZ_ROT6D`, …
        state_key: State group that relative values refer to; None for the group's own name.
    """

    rep: str
    type: str
    format: str
    state_key: str | None


@dataclass(frozen=True)
class NestedConfig:
    """A modality as PolicyServer describes it; keys have no prefix such as `video.`.

    Attributes:
        delta_indices: Steps relative to now.
        modality_keys: Cameras, groups, or language keys.
        sin_cos_embedding_keys, mean_std_embedding_keys: Groups with that normalization.
        action_configs: One per action group; None for modalities that are no actions.
    """

    delta_indices: tuple[int, ...]
    modality_keys: tuple[str, ...]
    sin_cos_embedding_keys: tuple[str, ...] | None = None
    mean_std_embedding_keys: tuple[str, ...] | None = None
    action_configs: tuple[ActionConfig, ...] | None = None


@dataclass(frozen=True)
class Request:
    """A call of get_action that came in PolicyServer's form.

    Attributes:
        observation: In the flat form. A batch of one has lost its batch axis.
        options: What the client asks for besides.
        batch: B.
        is_flat: Keys are flat, as for NVIDIA's sim policy wrapper.
        ignored: Keys that the policy does not know.
    """

    observation: dict[str, Any]
    options: dict[str, Any]
    batch: int
    is_flat: bool
    ignored: tuple[str, ...]


def nested_config(fields: Mapping[Any, Any]) -> NestedConfig:
    """Read a modality config; fields that are not known are left out.

    Raises:
        ServingError: A field is missing or has another type.
    """
    try:
        actions = fields.get('action_configs')
        return NestedConfig(
            tuple(_each(fields['delta_indices'], int)),
            tuple(_each(fields['modality_keys'], str)),
            _texts_or_none(fields.get('sin_cos_embedding_keys')),
            _texts_or_none(fields.get('mean_std_embedding_keys')),
            None if actions is None else tuple(_action_config(each) for each in actions),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ServingError(f'a modality config is malformed: {error!r}'[:300]) from error


def _action_config(fields: Mapping[str, Any]) -> ActionConfig:
    rep, kind, layout = _each([fields['rep'], fields['type'], fields['format']], str)
    state_key = fields.get('state_key')
    return ActionConfig(rep, kind, layout, None if state_key is None else str(state_key))


def _texts_or_none(values: Any) -> tuple[str, ...] | None:
    return None if values is None else tuple(_each(values, str))


def _each(values: Any, kind: type[Any]) -> list[Any]:
    if not isinstance(values, list) or {type(value) for value in values} - {kind}:
        raise TypeError(f'{shown(values)} is no list of {kind.__name__}')
    return values


# The server's side


def is_nested(data: object) -> bool:
    """Tell whether the data of get_action are in PolicyServer's form."""
    return isinstance(data, dict) and 'observation' in data


def nested_configs(configs: Mapping[str, ModalityConfig]) -> dict[str, NestedConfig]:
    """Say the policy's modality configs in PolicyServer's form; its actions are absolute."""
    return {
        modality: NestedConfig(
            config.delta_indices,
            tuple(_bare(key, modality) for key in config.modality_keys),
            action_configs=tuple(
                ActionConfig('ABSOLUTE', 'NON_EEF', 'DEFAULT', None) for _ in config.modality_keys
            )
            if modality == 'action'
            else None,
        )
        for modality, config in configs.items()
    }


def read_request(data: Mapping[Any, Any], configs: Mapping[str, ModalityConfig]) -> Request:
    """Read the data of get_action, and check them as PolicyServer does.

    Args:
        data: What came; `is_nested` holds.
        configs: The policy's modality configs, in the suite's form.

    Raises:
        ServingError: Names the key, what came and what is allowed.
    """
    if unknown := [key for key in data if key not in REQUEST_KEYS]:
        raise ServingError(
            f'get_action has the unknown keys {shown(unknown)} beside the observation; it takes'
            f' {", ".join(REQUEST_KEYS)}'
        )
    options = data.get('options')
    if options is not None and not isinstance(options, dict):
        raise ServingError(f'options are a {type(options).__name__}, expected a map or null')
    observation = _checked_keys('observation', data['observation'])
    is_flat = not any(isinstance(observation.get(modality), dict) for modality in OBSERVED)
    sent = observation if is_flat else _flattened_keys(observation)
    known: dict[str, str] = {}  # key of the policy → key that was sent
    for modality in OBSERVED:
        for key in configs[modality].modality_keys if modality in configs else ():
            known[key] = _sent_key(key, modality, sent, configs)
    batch = _batch(known, sent, configs)
    values: dict[str, Any] = {}
    for key, name in known.items():
        modality = next(each for each in OBSERVED if key in configs[each].modality_keys)
        steps = len(configs[modality].delta_indices)
        if modality == 'language':
            values[key] = _texts(name, sent[name], batch, steps)
        else:
            array = _checked_array(name, sent[name], modality, batch, steps)
            values[key] = array if batch > 1 else array[0]
    ignored = tuple(str(key) for key in sent if key not in known.values())
    return Request(values, dict(options or {}), batch, is_flat, ignored)


def write_reply(action: Mapping[str, Any], request: Request) -> list[dict[str, Any]]:
    """Return the reply to a request: actions with their batch axis, and the information."""
    actions: dict[str, Any] = {}
    for key, values in action.items():
        if key != 'info':
            rows = np.asarray(values, np.float32)
            name = key if request.is_flat else _bare(key, 'action')
            actions[name] = rows if request.batch > 1 else rows[None]
    info = action.get('info')
    return [actions, dict(info) if isinstance(info, Mapping) else {}]


def _checked_keys(what: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ServingError(
            f'{what} is a {type(value).__name__}, expected a map. An observation is'
            ' {video: {camera: …}, state: {group: …}, language: {key: [[text]]}}'
        )
    if len(value) > MAX_KEYS:
        raise ServingError(f'{what} has {len(value)} keys; at most {MAX_KEYS} are allowed')
    for key in value:
        if not isinstance(key, str) or len(key) > MAX_KEY_CHARACTERS:
            raise ServingError(
                f'{what} has the key {shown(key)}; a key is text of at most'
                f' {MAX_KEY_CHARACTERS} characters'
            )
    return value


def _flattened_keys(observation: Mapping[str, Any]) -> dict[str, Any]:
    """Return `video.<camera>`, `state.<group>` and language keys; other modalities are unknown."""
    flat: dict[str, Any] = {}
    for modality, inner in observation.items():
        if modality not in OBSERVED:
            flat[modality] = inner
            continue
        for key, value in _checked_keys(f'observation.{modality}', inner).items():
            flat[key if modality == 'language' else f'{modality}.{key}'] = value
    return flat


def _sent_key(
    key: str, modality: str, sent: Mapping[str, Any], configs: Mapping[str, ModalityConfig]
) -> str:
    """Return the key under which a value of the policy was sent; any one language key is right."""
    if key in sent:
        return key
    texts = [name for name in sent if not name.startswith(('video.', 'state.'))]
    if modality == 'language' and len(texts) == len(configs['language'].modality_keys) == 1:
        return texts[0]
    raise ServingError(
        f'the observation lacks {key!r}; it has {shown(list(sent))}, the policy takes'
        f' {", ".join(each for name in OBSERVED for each in _keys(configs, name))}'
    )


def _keys(configs: Mapping[str, ModalityConfig], modality: str) -> tuple[str, ...]:
    return configs[modality].modality_keys if modality in configs else ()


def _batch(
    known: Mapping[str, str], sent: Mapping[str, Any], configs: Mapping[str, ModalityConfig]
) -> int:
    """Return B, as the first camera or group has it."""
    for modality in ('video', 'state'):
        for key in _keys(configs, modality):
            value = sent[known[key]]
            if isinstance(value, np.ndarray) and value.ndim:
                if not 1 <= len(value) <= MAX_BATCH:
                    raise ServingError(
                        f'{known[key]} has a batch of {len(value)}; 1 to {MAX_BATCH} are allowed'
                    )
                return len(value)
    return 1


def _checked_array(
    name: str, value: object, modality: str, batch: int, steps: int
) -> NDArray[Any]:
    dtype, tail = (np.uint8, 'h, w, 3') if modality == 'video' else (np.float32, 'D')
    wanted = f'{np.dtype(dtype)} ({batch}, {steps}, {tail}), B and T first'
    if not isinstance(value, np.ndarray):
        raise ServingError(f'{name} is a {type(value).__name__}, expected a NumPy array {wanted}')
    right = value.dtype == dtype and value.shape[:2] == (batch, steps)
    right = right and value.ndim == (5 if modality == 'video' else 3)
    if not right or (modality == 'video' and value.shape[-1] != 3):
        raise ServingError(f'{name} is {value.dtype} {value.shape}, expected {wanted}')
    return value


def _texts(name: str, value: object, batch: int, steps: int) -> list[str]:
    """Return B texts out of B lists of one text, or of B texts."""
    texts = list(flattened(value))
    wanted = f'{batch} lists of {steps} text, e.g. [["pick up the cube"]]'
    if len(texts) != batch * steps or not all(isinstance(text, str) for text in texts):
        raise ServingError(f'{name} is {shown(value)}, expected {wanted}')
    return texts[::steps]


# The client's side


def suite_configs(nested: Mapping[str, NestedConfig]) -> dict[str, ModalityConfig]:
    """Say the modality configs of a PolicyServer in the suite's form, with full keys."""
    return {
        modality: ModalityConfig(
            config.delta_indices,
            tuple(
                key if modality == 'language' else f'{modality}.{key}'
                for key in config.modality_keys
            ),
        )
        for modality, config in nested.items()
    }


def write_request(
    observation: Mapping[str, Any],
    configs: Mapping[str, ModalityConfig],
    options: Mapping[str, Any],
) -> tuple[dict[str, Any], bool]:
    """Nest an observation of the suite's form.

    Args:
        observation: `video.<camera>` uint8 (T, h, w, 3), `state.<group>` (T, D), and the one
            instruction as a list of one str; or all with B in front.
        configs: The server's modality configs, in the suite's form.
        options: What is asked besides; none are sent as null.

    Returns:
        The data of get_action, and whether the observation had a batch axis.

    Raises:
        ServingError: There is not one instruction per sample, or a value is no array.
    """
    nested: dict[str, Any] = {'video': {}, 'state': {}, 'language': {}}
    texts: list[Any] = []
    batched = any(
        key.startswith('state.') and np.ndim(value) == 3 for key, value in observation.items()
    )
    for key, value in observation.items():
        modality, _, name = key.partition('.')
        if modality not in ('video', 'state'):
            texts.append(value)
            continue
        array = np.asarray(value)
        if modality == 'state':
            array = array.astype(np.float32)
        nested[modality][name] = np.ascontiguousarray(array if batched else array[None])
    if len(texts) != 1:
        raise ServingError(
            f'the observation has {len(texts)} instructions, the server takes one; its keys are'
            f' {", ".join(observation)}'
        )
    batch = [texts[0]] if isinstance(texts[0], str) else list(flattened(texts[0]))
    for key in _keys(configs, 'language'):
        nested['language'][key] = [[text] for text in batch]
    return {'observation': nested, 'options': dict(options) or None}, batched


def read_reply(reply: object, *, batched: bool) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return `action.<group>` (H, D), or (B, H, D) where a batch was sent; and the information.

    Raises:
        ServingError: The reply is no list of an action map and an information map, or an action
            is no array of numbers (B, H, D).
    """
    if (
        not isinstance(reply, list)
        or len(reply) != 2
        or not all(isinstance(each, dict) for each in reply)
    ):
        raise ServingError(
            f'the reply to get_action is {shown(reply)}, expected [action map, information map]'
        )
    actions: dict[str, NDArray[Any]] = {}
    for key, values in reply[0].items():
        is_array = isinstance(values, np.ndarray) and values.dtype.kind in 'fiu'
        if not is_array or values.ndim != 3 or not (batched or len(values) == 1):
            seen = f'{values.dtype} {values.shape}' if is_array else type(values).__name__
            wanted = '(B, H, D)' if batched else '(1, H, D)'
            raise ServingError(f'the action {shown(key)} is {seen}, expected numbers {wanted}')
        actions[f'action.{_bare(str(key), "action")}'] = values if batched else values[0]
    if not actions:
        raise ServingError('the reply to get_action holds no action')
    return actions, reply[1]


def _bare(key: str, modality: str) -> str:
    return key if modality == 'language' else key.removeprefix(f'{modality}.')
