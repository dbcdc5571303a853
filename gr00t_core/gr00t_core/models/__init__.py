# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open a checkpoint of any model family: a registry, and the rules that tell families apart.

`load_model(folder)` is the one public way in. Every family's model answers
`get_action(batch, noise=None)` and `loss(batch, noise=None, time=None)`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, TYPE_CHECKING

from gr00t_core.errors import CheckpointError
from gr00t_core.hub_names import how_to_download
from gr00t_core.instructions import shown
from gr00t_core.json_file import read_json
from gr00t_core.models.n1_5.numbers import NUMBERS as N1_5
from gr00t_core.models.n1_7.numbers import NUMBERS as N1_7
from gr00t_core.models.numbers import Numbers

if TYPE_CHECKING:
    from torch import device as Device
    from torch import dtype as Dtype
    from torch import Tensor

    from gr00t_core.models.folded.request import Prompt
    from gr00t_core.models.n1_7.processor import N17Transforms
    from gr00t_core.models.network import PolicyNetwork
    from gr00t_core.robot.description import Robot
    from gr00t_core.transforms import EmbodimentTransforms

__all__ = [
    'FAMILIES',
    'Family',
    'Inference',
    'Model',
    'Ranges',
    'family_of',
    'inference_of',
    'load_config',
    'load_model',
    'network_of',
    'read_config',
]


@dataclass(frozen=True)
class Family:
    """One generation of GR00T.

    Attributes:
        name: Short name, as options and reports give it.
        model_types: What config.json says in `model_type` or `architectures`, in lower case with
            `_` for `-`.
        config, model: `module:class`, imported on first use. `config.load(folder)` and
            `model.from_pretrained(folder, dtype, device)` open a checkpoint.
        inference: Module that answers `Inference`.
        new: Module whose `write_random` makes a checkpoint with random weights.
        numbers: What robot files, console and simulator ask for.
        lerobot_key: Part of a weight's name by which a LeRobot checkpoint shows this family.
    """

    name: str
    model_types: tuple[str, ...]
    config: str
    model: str
    inference: str
    new: str
    numbers: Numbers
    lerobot_key: str

    @property
    def title(self) -> str:
        """Return the name for people: `N1.5`."""
        return self.name.upper().replace('_', '.')


FAMILIES = {
    family.name: family
    for family in (
        Family(
            'n1_5',
            ('gr00t_n1_5', 'gr00tn1_5'),
            'gr00t_core.models.n1_5.config:Gr00tConfig',
            'gr00t_core.models.n1_5.groot:Gr00tN15',
            'gr00t_core.models.n1_5.inference',
            'gr00t_core.models.n1_5.new',
            N1_5,
            'backbone.eagle_model.',
        ),
        Family(
            'n1_7',
            ('gr00tn1d7', 'gr00t_n1d7', 'gr00t_n1_7'),
            'gr00t_core.models.n1_7.config:Gr00tN17Config',
            'gr00t_core.models.n1_7.groot:Gr00tN17',
            'gr00t_core.models.n1_7.inference',
            'gr00t_core.models.n1_7.new',
            N1_7,
            'backbone.model.model.visual.',
        ),
    )
}
_REFUSED = {
    'gr00tn1d6': 'N1.6',
    'gr00t_n1d6': 'N1.6',
    'gr00t_n1_6': 'N1.6',
    'gr00t_n1': 'N1',
    'gr00tn1': 'N1',
}


class Model(Protocol):
    """What every family's network answers; a batch is described in the family's `groot` module."""

    config: Any

    def get_action(self, batch: Mapping[str, 'Tensor'], noise: 'Tensor | None' = None) -> 'Tensor':
        """Sample normalised action chunks (B, H, A) float32; `noise` (B, H, A) starts them."""

    def loss(
        self,
        batch: Mapping[str, 'Tensor'],
        noise: 'Tensor | None' = None,
        time: 'Tensor | None' = None,
    ) -> 'Tensor':
        """Return the flow-matching loss, a float32 scalar; `time` (B,) is 0 at noise."""


# Name of a graph's input → least, usual and largest size of its free dimension.
Ranges = Mapping[str, tuple[int, int, int]]


class Inference(Protocol):
    """What policy, engines and export ask a family: functions of its `inference` module.

    Attributes:
        COMPANIONS: Files of a checkpoint that an export of it needs, too.
        FREE: Input of an exported graph → its free axis.
    """

    COMPANIONS: Sequence[str]
    FREE: Mapping[str, int]

    def transforms(
        self, checkpoint: Path, robot: 'Robot | None', **options: Any
    ) -> 'EmbodimentTransforms | N17Transforms':
        """Compose the transforms of a robot, or of an embodiment that `options` name.

        Raises:
            CheckpointError: The folder is incomplete, or does not know the embodiment.
            RobotFileError: The robot contradicts the checkpoint.
        """

    def video(self, config: Any, on_device: bool) -> Any:
        """Return the `VideoTransform` of a folded engine; None for the transforms' own."""

    def heads(self, checkpoint: str | Path) -> Mapping[str, tuple[int, int]]:
        """Return embodiment tag → slot and number of images of a sample."""

    def prompts(self, batch: Mapping[str, Any], config: Any) -> 'list[Prompt]':
        """Split a batch of arrays into requests; raises ObservationError where it does not fit."""

    def example(self, config: Any, views: int, generator: Any) -> Mapping[str, Any]:
        """Return a random batch of one sample, without state and slot."""

    def ranges(self, config: Any, views: int) -> Ranges:
        """Return the sizes of the free dimensions that TensorRT engines are built for."""


def inference_of(folder: str | Path) -> Inference:
    """Return the `inference` module of a checkpoint's or an export's family."""
    module: Any = import_module(family_of(folder).inference)
    inference: Inference = module
    return inference


def load_model(
    folder: str | Path,
    dtype: 'Dtype | None' = None,
    device: 'str | Device' = 'cpu',
    **options: Any,
) -> Any:
    """Load the network of a checkpoint folder, of whichever family it is, in eval mode.

    Args:
        folder: Holds config.json and model*.safetensors: NVIDIA's layout or LeRobot's wrapper.
        dtype: Of the weights; None keeps what is stored.
        device: Where the weights go.
        options: The family's own (`mask_padding`).

    Returns:
        The family's model; see `Model`.

    Raises:
        CheckpointError: No such family here, or anything missing, unexpected or damaged.
    """
    return network_of(folder).from_pretrained(folder, dtype=dtype, device=device, **options)


def network_of(folder: str | Path) -> 'type[PolicyNetwork]':
    """Return the class of a checkpoint folder's network; raises CheckpointError."""
    network: type[PolicyNetwork] = _resolve(family_of(folder).model)
    return network


def load_config(folder: str | Path) -> Any:
    """Return the family's configuration of a checkpoint folder; raises CheckpointError."""
    return _resolve(family_of(folder).config).load(folder)


def read_config(folder: str | Path) -> Any:
    """Return the content of `<folder>/config.json`.

    Raises:
        CheckpointError: No such file, or not JSON.
    """
    path = Path(folder) / 'config.json'
    try:
        return read_json(path)
    except FileNotFoundError:
        raise CheckpointError(
            f'{path} does not exist: a checkpoint holds config.json and model*.safetensors. '
            f'Give the folder that holds them, or make one with `gr00t init-checkpoint`.'
            + how_to_download(folder, 'model')
        ) from None
    except ValueError as error:
        raise CheckpointError(
            f'{path} cannot be read as JSON: {error}. Copy the checkpoint again.'
        ) from None


def family_of(folder: str | Path) -> Family:
    """Tell which family a checkpoint folder belongs to.

    The first sign decides: LeRobot's wrapper, `model_type` or `architectures`,
    `backbone_cfg.eagle_path` (N1.5), `model_name` with Cosmos-Reason2 (N1.7).

    Raises:
        CheckpointError: config.json is missing or unreadable, or names a generation that cannot be
            loaded; the message says what can serve it.
    """
    raw = read_config(folder)
    if not isinstance(raw, dict):
        raise CheckpointError(
            f'{Path(folder) / "config.json"}: expected a JSON object, found {type(raw).__name__}.'
        )
    if raw.get('type') == 'groot' and 'model_type' not in raw:
        return _family_of_lerobot(raw, Path(folder))
    architectures = raw.get('architectures')
    told = [raw.get('model_type'), *(architectures if isinstance(architectures, list) else [])]
    names = [name.lower().replace('-', '_') for name in told if isinstance(name, str)]
    for name in names:
        for family in FAMILIES.values():
            if name in family.model_types:
                return family
        if name in _REFUSED:
            generation = _REFUSED[name]
            raise CheckpointError(
                f'{Path(folder) / "config.json"}: this is a GR00T {generation} checkpoint, and'
                f" {', '.join(_shown_families())} can be loaded. Serve it with NVIDIA's own server"
                f' ({generation} branch of Isaac-GR00T) and connect the policy node or'
                f' `gr00t client` to that server, or use an N1.7 checkpoint.'
            )
    if names:
        raise CheckpointError(
            f'{Path(folder) / "config.json"}: model_type is {shown(told[0])}; only'
            f' {", ".join(_shown_families())} can be loaded. Use a checkpoint of one of these.'
        )
    backbone = raw.get('backbone_cfg')
    if isinstance(backbone, dict) and 'eagle_path' in backbone:
        return FAMILIES['n1_5']
    if 'Cosmos-Reason2' in str(raw.get('model_name')):
        return FAMILIES['n1_7']
    raise CheckpointError(
        f'{Path(folder) / "config.json"}: names no model_type; only'
        f' {", ".join(_shown_families())} can be loaded. Restore the config.json that was saved'
        ' with these weights.'
    )


def _family_of_lerobot(raw: Mapping[str, Any], folder: Path) -> Family:
    """Tell families apart in a LeRobot checkpoint, whose config.json holds no architecture."""
    if _is_lerobot_n1_5(raw):
        return FAMILIES['n1_5']
    weights = folder / 'model.safetensors'
    if weights.is_file():
        from gr00t_core.models.weights import stored_tensors

        keys = stored_tensors(folder)
        for family in FAMILIES.values():
            if any(family.lerobot_key in key for key in keys):
                return family
    return FAMILIES['n1_7' if lerobot_says_n1_7(raw) else 'n1_5']


def lerobot_says_n1_7(raw: Mapping[str, Any]) -> bool:
    """Return whether a LeRobot config.json of type groot holds N1.7, by LeRobot's own signs.

    Source: `_infer_groot_model_version_from_config` and `GrootConfig` of LeRobot 0.6.
    """
    return not _is_lerobot_n1_5(raw) and (
        'GR00T-N1.7' in str(raw.get('base_model_path'))
        or N1_7.state_width in (raw.get('max_state_dim'), raw.get('max_action_dim'))
        or str(raw.get('model_version')).lower() in {'n1.7', 'n1_7', 'n1d7'}
    )


def _is_lerobot_n1_5(raw: Mapping[str, Any]) -> bool:
    return isinstance(raw.get('tokenizer_assets_repo'), str)  # LeRobot's N1.5 alone had it


def _shown_families() -> list[str]:
    return [family.title for family in FAMILIES.values()]


def _resolve(place: str) -> Any:
    module, name = place.split(':')
    return getattr(import_module(module), name)
