# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upload a LeRobot dataset to the Hugging Face Hub, as LeRobot finds it there."""

from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Any

import tyro

from gr00t_core.dataset.reader import Dataset
from gr00t_core.dataset.schema import ROBOT
from gr00t_core.errors import DatasetError
from gr00t_core.hub_names import is_hub_name

CARD = 'README.md'


@dataclass(frozen=True)
class Push:
    """Upload a dataset to the Hugging Face Hub, or to the server that HF_ENDPOINT names.

    The repository is made where there is none, private unless --public is given. Its tag with the
    version of the format, which LeRobot looks for, is set to what is uploaded.

    Attributes:
        dataset: Folder of the dataset; stays as it is.
        repo: Where to: NAME or ORGANIZATION, a slash, and the name of the dataset.
        public: Make a new repository public; one that is there keeps what it is.
        message: Of the commit.
        branch: Of the repository.
    """

    dataset: tyro.conf.Positional[Path]
    repo: tyro.conf.Positional[str]
    public: bool = False
    message: str = ''
    branch: str = 'main'


def main(argv: list[str]) -> int:
    """Upload a LeRobot dataset to the Hugging Face Hub."""
    asked = tyro.cli(Push, prog='gr00t push', args=argv)
    if not is_hub_name(asked.repo):
        raise DatasetError(
            f'{asked.repo!r}: is no name on the Hub; expected OWNER/NAME of letters, digits, ".",'
            ' "-" and "_", e.g. mylab/so101-cubes'
        )
    dataset = Dataset.open(asked.dataset)
    address = push(dataset, asked)
    print(f'{asked.dataset}: {len(dataset.episodes)} episodes are at {address}')
    return 0


def push(dataset: Dataset, asked: Push) -> str:
    """Upload a dataset; return its address.

    Raises:
        DatasetError: There is no token, the server cannot be reached, or it refuses.
    """
    from huggingface_hub import get_token, HfApi

    for name in ('httpx', 'httpx2', 'huggingface_hub'):  # a line for every request
        logging.getLogger(name).setLevel(logging.ERROR)
    api = HfApi()
    if not get_token():
        raise DatasetError(
            f'{asked.repo}: no token for {api.endpoint}: run `hf auth login`, or set HF_TOKEN to a'
            ' token that may write (https://huggingface.co/settings/tokens)'
        )
    repo: dict[str, Any] = {'repo_id': asked.repo, 'repo_type': 'dataset'}
    version = dataset.info.version
    try:
        api.create_repo(**repo, private=not asked.public, exist_ok=True)
        if asked.branch != 'main':
            api.create_branch(**repo, branch=asked.branch, exist_ok=True)
        api.upload_folder(
            **repo,
            folder_path=dataset.path,
            revision=asked.branch,
            commit_message=asked.message or f'{len(dataset.episodes)} episodes',
            ignore_patterns=['.*', '**/.*'],
        )
        has_card = (dataset.path / CARD).is_file()
        if not has_card and not api.file_exists(**repo, filename=CARD, revision=asked.branch):
            api.upload_file(
                **repo,
                path_or_fileobj=card(dataset).encode(),
                path_in_repo=CARD,
                revision=asked.branch,
                commit_message='A card',
            )
        if any(tag.name == version for tag in api.list_repo_refs(**repo).tags):
            api.delete_tag(**repo, tag=version)
        api.create_tag(**repo, tag=version, revision=asked.branch)
    except Exception as error:  # of the HTTP library, of the upload's threads, of the answer
        raise DatasetError(_why(error, asked.repo, str(api.endpoint))) from error
    return f'{api.endpoint}/datasets/{asked.repo}'


def card(dataset: Dataset) -> str:
    """Return a dataset card: what the Hub needs to show it, and what is in it."""
    info = dataset.info
    tasks = '\n'.join(f'- {text}' for text in dict.fromkeys(dataset.tasks.values()))
    robot = ' A copy of its robot file is in `meta/robot.yaml`.'
    return (
        '---\n'
        'task_categories:\n- robotics\n'
        'tags:\n- LeRobot\n- GR00T\n'
        'configs:\n- config_name: default\n  data_files: data/*/*.parquet\n'
        '---\n\n'
        f'# {dataset.path.resolve().name}\n\n'
        f'A LeRobot {info.version} dataset of {info.robot_type or "a robot"}:'
        f' {len(dataset.episodes)} episodes, {len(dataset)} steps at {float(info.fps):g} Hz.'
        f'{robot if (dataset.path / ROBOT).is_file() else ""}\n\n'
        f'## Instructions\n\n{tasks}\n'
    )


def _why(error: Exception, repo: str, endpoint: str) -> str:
    """Return in one line what went wrong, and what to do."""
    from huggingface_hub.errors import HfHubHTTPError

    cause: BaseException = error
    while cause.__cause__ is not None and not isinstance(cause, HfHubHTTPError):
        cause = cause.__cause__
    text = ' '.join(str(cause).split())
    answer = getattr(cause, 'response', None)
    status = getattr(answer, 'status_code', None)
    if status == 401:
        return f'{repo}: {endpoint} does not know the token: run `hf auth login` again ({text})'
    if status == 403:
        return (
            f'{repo}: the token may not write there; take one that may, or another owner ({text})'
        )
    if status is not None:
        return f'{repo}: {endpoint} answered {status}: {text}'
    return (
        f'{repo}: {endpoint} cannot be used: {type(cause).__name__}: {text}; run the same command'
        ' again when it can, finished files are not sent again'
    )
