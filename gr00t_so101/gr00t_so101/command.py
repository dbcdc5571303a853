# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t so101`: what a person does with an SO-101 besides running it."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
import select
import sys

from serial.tools import list_ports

from gr00t_core.errors import Gr00tError
from gr00t_so101 import calibrate
from gr00t_so101.bus import Bus, Reading
from gr00t_so101.calibration import default_file, load, save
from gr00t_so101.servos import errors_in

ARMS = ('follower', 'leader')


def main(argv: list[str]) -> int:
    """Calibrate and check an SO-101 arm, list serial ports, hand over to the leader arm."""
    arguments = _parser().parse_args(argv)
    act: Callable[[argparse.Namespace], int] = arguments.act
    return act(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='gr00t so101', description=main.__doc__, allow_abbrev=False
    )
    verbs = parser.add_subparsers(required=True, metavar='WHAT')

    def add(name: str, act: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        text = (act.__doc__ or '').partition('\n')[0]
        one = verbs.add_parser(name, allow_abbrev=False, help=text, description=text)
        one.set_defaults(act=act)
        return one

    add('ports', _ports)
    one = add('check', _check)
    one.add_argument('--port', required=True, help='serial port, e.g. /dev/ttyACM0')
    for name, act in (('calibrate', _calibrate), ('restore', _restore)):
        one = add(name, act)
        one.add_argument('--port', required=True, help='serial port, e.g. /dev/ttyACM0')
        one.add_argument('--arm', choices=ARMS, default='follower', help='names the file')
        which = '--output' if name == 'calibrate' else '--calibration'
        one.add_argument(which, dest='file', default='', help='file instead of the usual one')
    one = add('lead', _lead)
    one.add_argument('--namespace', default='', help='of the robot')
    return parser


def _file(arguments: argparse.Namespace) -> Path:
    return Path(arguments.file).expanduser() if arguments.file else default_file(arguments.arm)


def _ports(arguments: argparse.Namespace) -> int:
    """List the serial ports and what is plugged in there."""
    found = sorted(list_ports.comports(), key=lambda each: each.device)
    for each in found:
        print(f'{each.device}  {each.description}  serial number {each.serial_number or "none"}')
    if not found:
        print('no serial port: plug the USB cable of the arm in')
    return 0 if found else 1


def _check(arguments: argparse.Namespace) -> int:
    """Read every servo of an arm once; nothing moves."""
    bus = Bus(arguments.port)
    bus.open()
    try:
        bad = 0
        for joint, reading in bus.readings().items():
            if not isinstance(reading, Reading):
                bad += 1
                print(f'{joint:<14} {reading}')
                continue
            errors = errors_in(reading.errors)
            bad += bool(errors)
            told = '; '.join(f'{what}: {step}' for what, step in errors) or 'no error'
            print(
                f'{joint:<14} id {bus.ids[joint]}, position {reading.position},'
                f' {reading.voltage / 10:.1f} V, {reading.temperature} °C, {told}'
            )
        if bad:
            bus.check()  # says what answers instead
        return 1 if bad else 0
    finally:
        bus.close()


def _calibrate(arguments: argparse.Namespace) -> int:
    """Calibrate an arm by hand; writes its servos and a file that LeRobot reads, too."""
    if not sys.stdin.isatty():
        raise Gr00tError('gr00t so101 calibrate asks questions: run it in a terminal')
    file = _file(arguments)
    bus = Bus(arguments.port)
    bus.open()
    try:
        bus.check()
        if file.exists() and not _yes(f'{file} exists. Replace it?'):
            return 1
        input('The arm goes limp: hold it. Press Enter. ')
        calibrate.free(bus)
        input('Move every joint to the middle of its range. Press Enter. ')
        offsets = calibrate.find_middle(bus)
        print('Move every joint from one end to the other. Press Enter when all are done.')
        ranges = calibrate.find_ranges(bus, _enter_pressed, _show)
        joints = calibrate.calibration_of(bus, offsets, ranges)
        calibrate.store(bus, joints)
        save(joints, file)
        print(f'\n{file} written; the servos hold the same numbers')
        return 0
    finally:
        bus.close()


def _restore(arguments: argparse.Namespace) -> int:
    """Write the numbers of a calibration file into the servos of the same arm."""
    calibration = load(_file(arguments))
    if sys.stdin.isatty() and not _yes(
        f'The arm goes limp: hold it. Is {calibration.source} of this very arm?'
    ):
        return 1
    bus = Bus(arguments.port, {joint: each.id for joint, each in calibration.joints.items()})
    bus.open()
    try:
        calibrate.restore(bus, calibration)
    finally:
        bus.close()
    print(f'the servos on {arguments.port} hold the numbers of {calibration.source}')
    return 0


def _lead(arguments: argparse.Namespace) -> int:
    """Let the leader arm move the robot, or let go: Enter changes between both."""
    from gr00t_so101.leading import lead  # rclpy: not for --help

    return lead(arguments.namespace)


def _yes(question: str) -> bool:
    return input(f'{question} [y/N] ').strip().lower() in ('y', 'yes')


def _enter_pressed(seconds: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and bool(sys.stdin.readline())


def _show(ranges: Mapping[str, tuple[int, int]]) -> None:
    told = '  '.join(f'{joint} {low}–{high}' for joint, (low, high) in ranges.items())
    sys.stdout.write(f'\r{told}')
    sys.stdout.flush()
