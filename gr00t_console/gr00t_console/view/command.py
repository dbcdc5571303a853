# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t view`: serve the page of episodes of a dataset, or of bags."""

import argparse
import hashlib
from pathlib import Path
import shlex

from gr00t_console.gate import Gate
from gr00t_console.view.bags import cache, convert
from gr00t_console.view.conversion import Conversion
from gr00t_console.view.opened import Opened
from gr00t_core.dataset.moment import Moment, VIEW_PORT
from gr00t_core.dataset.schema import INFO
from gr00t_core.errors import DatasetError, ParameterError


def main(argv: list[str]) -> int:
    """Look through episodes in the browser: delete, trim, split, label anew."""
    parser = argparse.ArgumentParser(
        prog='gr00t view', description=main.__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add('paths', nargs='+', type=Path, metavar='DATASET|BAGS', help='a dataset, or bags')
    add('--robot', default='', help='of bags: shipped robot, or path of a robot file')
    add('--decisions', type=Path, help='file of decisions; by default beside what is opened')
    add('--namespace', default='', help="of bags: namespace of the robot's topics")
    add('--split', default='bag', help='of bags: where episodes begin, as gr00t convert --split')
    add('--work', type=Path, help='of bags: folder for what is shown; by default in ~/.cache')
    add('--episode', type=int, metavar='N', help='show this episode first, counted from 0')
    add('--at', type=float, metavar='SECONDS', help='of --episode: show this time of it')
    add('--host', default='127.0.0.1', help='address of the page; another one needs a token')
    add('--port', type=int, default=VIEW_PORT, help='TCP port of the page')
    add('--token-file', default='', help='file that holds the token which a browser must give')
    asked = parser.parse_args(argv)
    is_dataset = (asked.paths[0] / INFO).is_file()
    _check(asked, is_dataset=is_dataset)
    first = asked.paths[0].absolute()
    decisions = asked.decisions or first.with_name(f'{first.name}.decisions.yaml')
    if is_dataset:
        return serve(Opened(first, decisions, bags=False), asked)
    words = [*map(str, asked.paths), '--robot', asked.robot]
    words += ['--namespace', asked.namespace] if asked.namespace else []
    words += ['--split', asked.split] if asked.split != 'bag' else []
    work = asked.work or cache() / hashlib.sha256(shlex.join(words).encode()).hexdigest()[:16]
    convert(words, work.absolute() / 'dataset')
    command = ['gr00t', 'convert', *words, '--decisions', str(decisions), '--output', 'dataset']
    opened = Opened(work.absolute() / 'dataset', decisions, bags=True)
    conversion = Conversion(words, decisions, first)
    try:
        return serve(opened, asked, shlex.join(command), conversion)
    finally:
        conversion.close()


def serve(
    opened: Opened,
    asked: argparse.Namespace,
    convert_command: str = '',
    conversion: Conversion | None = None,
) -> int:
    """Serve the page until Ctrl-C."""
    import uvicorn

    from gr00t_console.serving import listen, serve_until_signal, token_of
    from gr00t_console.view.routes import application

    first = _moment(opened, asked.episode, asked.at)
    token = token_of(asked.host, asked.token_file)
    listening = listen(asked.host, asked.port)
    host = f'[{asked.host}]' if ':' in asked.host else asked.host
    place = f'http://{host}:{asked.port}/{f"?token={token}" if token else ""}'
    place += f'#{first.fragment}' if first else ''
    print(f'gr00t view: open {place}; decisions go to {opened.decisions}', flush=True)
    config = uvicorn.Config(
        Gate(application(opened, convert_command, conversion), token),
        log_level='warning',
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    serve_until_signal(uvicorn.Server(config), listening)
    return 0


def _moment(opened: Opened, episode: int | None, at: float | None) -> Moment | None:
    """Return what is shown first; None for the begin.

    Raises:
        DatasetError: There is no such episode, or it ends before.
        ParameterError: A time is given without its episode.
    """
    if episode is None:
        if at is not None:
            raise ParameterError(f'--at {at:g}: say of which episode: --episode N')
        return None
    seconds = opened.seconds(episode)
    if at is not None and not 0 <= at <= seconds:
        raise DatasetError(f'--at {at:g}: episode {episode} has 0 to {seconds:.3f} s')
    return Moment(episode, at or 0.0)


def _check(asked: argparse.Namespace, *, is_dataset: bool) -> None:
    for path in asked.paths:
        if not path.exists():
            raise DatasetError(f'{path}: does not exist; give a dataset, or bags')
    if is_dataset and len(asked.paths) > 1:
        raise DatasetError('one dataset at a time: give its folder alone')
    of_bags = [name for name in ('robot', 'namespace', 'work') if getattr(asked, name)]
    of_bags += ['split'] if asked.split != 'bag' else []
    if is_dataset and of_bags:
        shown = ', '.join(f'--{name}' for name in of_bags)
        raise ParameterError(f'{shown}: of bags; {asked.paths[0]} is a dataset: leave it out')
    if not is_dataset and not asked.robot:
        raise ParameterError(
            f'{asked.paths[0]}: has no {INFO}, so it is taken for bags: give --robot NAME or FILE'
        )
    if not 1 <= asked.port <= 65535:
        raise ParameterError(f'--port {asked.port}: allowed: 1 to 65535')
