# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accept over the wire what upstream's transforms accept, and name what is of another form.

Upstream takes any one `annotation.*` key as the instruction and leaves out state groups that its
data config does not name; its example clients rely on both. In a process of one's own the policy
stays strict, since there a wrong key is a slip.
"""

from collections.abc import Iterable, Mapping
import logging
from typing import Any

import numpy as np

from gr00t_core.embodiments import ModalityConfig
from gr00t_core.errors import ObservationError, ServingError
from gr00t_core.instructions import checked_instructions, flattened, shown

LOG = logging.getLogger(__name__)

NEWER_PROTOCOL = (
    "this is an observation in PolicyServer's nested form without its envelope: over ZMQ send it"
    ' as {"observation": …, "options": null}, or send keys such as video.<camera>, state.<group>'
    " and annotation.<…>. HTTP takes the latter only, as N1.5's server does"
)
MAX_KEYS = 256
MAX_KEY_CHARACTERS = 200
MAX_TOLD = 64  # keys that are remembered as logged; a client may send any


class Acceptance:
    """Turns observations of clients into the policy's; remembers what it has logged."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def observation(self, data: object, config: Mapping[str, ModalityConfig]) -> dict[str, Any]:
        """Return the observation under the policy's own keys, instructions checked.

        Args:
            data: What a client sent.
            config: The policy's modality configs.

        Raises:
            ServingError: It is no map, belongs to another protocol, its instruction is too long,
                or it could cost more than its bytes. Other wrong keys and values are left for the
                policy to name.
        """
        if not isinstance(data, dict):
            raise ServingError(
                f'the observation is a {type(data).__name__}, expected a map of keys such as'
                ' video.<camera>, state.<group> and annotation.<…>'
            )
        if _is_newer(data):
            raise ServingError(NEWER_PROTOCOL)
        _check_bounds(data)
        known = {key for each in config.values() for key in each.modality_keys}
        language = config['language'].modality_keys if 'language' in config else ()
        # Where a group is missing, the other one may be its misspelling: the policy names both.
        groups = config['state'].modality_keys if 'state' in config else ()
        has_all_groups = bool(groups) and all(group in data for group in groups)
        annotations = [key for key in data if _is(key, 'annotation')]
        accepted: dict[str, Any] = {}
        for key, value in data.items():
            name = key
            if key in known:
                pass
            elif _is(key, 'state') and has_all_groups:
                self._tell(key, 'no state group of this policy: left out')
                continue
            elif annotations == [key] and len(language) == 1:
                self._tell(key, f'taken as {language[0]}')
                name = language[0]
            accepted[name] = value
        try:
            for key in language:
                if key in accepted:
                    accepted[key] = checked_instructions(accepted[key])
        except ObservationError as error:
            raise ServingError(str(error)) from None
        return accepted

    def left_out(self, keys: Iterable[str], what: str) -> None:
        """Log keys that are left out, each once."""
        for key in keys:
            self._tell(key, f'no {what} of this policy: left out')

    def _tell(self, key: str, what: str) -> None:
        if key not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(key)
            LOG.info('a client sends %s: %s', shown(key), what)


def _check_bounds(data: dict[Any, Any]) -> None:
    """Refuse what would be costly to compare or to turn into arrays: clients may send anything."""
    if len(data) > MAX_KEYS:
        raise ServingError(f'the observation has {len(data)} keys; at most {MAX_KEYS} are allowed')
    for key, value in data.items():
        if not isinstance(key, str) or len(key) > MAX_KEY_CHARACTERS:
            raise ServingError(
                f'the observation has the key {shown(key)}; a key is text of at most'
                f' {MAX_KEY_CHARACTERS} characters'
            )
        # An array of texts has the room of the longest for each.
        if not _is(key, 'annotation') and not isinstance(value, np.ndarray):
            texts = (inner for inner in flattened(value) if isinstance(inner, str | bytes))
            if (text := next(texts, None)) is not None:
                raise ServingError(f'{key}: holds the text {shown(text)}, expected numbers')


def _is(key: str, modality: str) -> bool:
    return key.startswith(f'{modality}.')


def _is_newer(data: dict[Any, Any]) -> bool:
    """Tell whether data are nested as PolicyServer's."""
    names = ('observation', 'video', 'state', 'language')
    return any(isinstance(data.get(name), dict) for name in names)
