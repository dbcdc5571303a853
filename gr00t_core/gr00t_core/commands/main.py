# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the `gr00t` command: each installed package adds its verbs.

A verb is an entry point of the group `gr00t.verbs` (see the packages' setup.py) that names a
function `main(argv: list[str]) -> int`. The first line of its docstring is what the table shows.
"""

import difflib
import importlib.metadata
import inspect
import logging
import sys

from gr00t_core.commands.doctor import how_to_get
from gr00t_core.commands.foreign_options import instead
from gr00t_core.errors import Gr00tError

GROUP = 'gr00t.verbs'
# What sysexits and shells agree on: 2 is wrong usage, 130 is Ctrl-C.
USAGE_ERROR, INTERRUPTED = 2, 130


def verbs() -> dict[str, importlib.metadata.EntryPoint]:
    """Find the verbs of all installed packages, by name, sorted."""
    # In a sourced workspace pip and colcon both list a package; entry_points() counts it once.
    found = importlib.metadata.entry_points(group=GROUP)
    return {verb.name: verb for verb in sorted(found, key=lambda verb: verb.name)}


def summary(verb: importlib.metadata.EntryPoint) -> str:
    """Give the first docstring line of a verb's function, or what keeps it from being loaded."""
    try:
        function = verb.load()
    except ImportError as error:
        return f'(not available: {_missing(error)})'
    return (inspect.getdoc(function) or '').partition('\n')[0]


def table() -> str:
    """List the verbs and what each does, one per line."""
    found = verbs()
    width = max((len(name) for name in found), default=0)
    lines = [f'  {name:<{width}}  {summary(verb)}' for name, verb in found.items()]
    return '\n'.join(['usage: gr00t VERB [OPTIONS]    (gr00t VERB --help)', '', *lines])


def version() -> str:
    """Give the installed version of the suite."""
    return importlib.metadata.version('gr00t_core')


def _missing(error: ImportError) -> str:
    module = (error.name or '').partition('.')[0]
    return f'{error}. {how_to_get(module)}' if module else str(error)


def run(name: str, argv: list[str]) -> int:
    """Run one verb with its arguments; return the exit status."""
    found = verbs()
    if name not in found:
        near = difflib.get_close_matches(name, found, n=3)
        hint = f'; did you mean {" or ".join(near)}?' if near else '. `gr00t` lists them.'
        print(f'gr00t: there is no verb {name!r}{hint}', file=sys.stderr)
        return USAGE_ERROR
    if (other := instead(name, argv)) is not None:
        print(f'gr00t {name}: {other}', file=sys.stderr)
        return USAGE_ERROR
    try:
        function = found[name].load()
        return int(function(argv) or 0)
    except ModuleNotFoundError as error:
        print(f'gr00t {name}: {_missing(error)}', file=sys.stderr)
    except Gr00tError as error:
        print(f'gr00t {name}: {error}', file=sys.stderr)
    except OSError as error:
        if error.strerror is None:  # of a library, not of the operating system
            raise
        where = f'{error.filename}: ' if error.filename is not None else ''
        print(f'gr00t {name}: {where}{error.strerror}', file=sys.stderr)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 1


def main(argv: list[str] | None = None) -> int:
    """Run `gr00t VERB ...`; without a verb, list them."""
    argv = sys.argv[1:] if argv is None else argv
    logging.basicConfig(format='%(levelname)s %(name)s: %(message)s', level=logging.INFO)
    if not argv or argv[0] in {'-h', '--help', 'help'}:
        print(table())
        return 0
    if argv[0] == '--version':
        print(f'gr00t {version()}')
        return 0
    return run(argv[0], argv[1:])
