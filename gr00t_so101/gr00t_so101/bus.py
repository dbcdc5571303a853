# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Talk to the servos of one arm: Feetech's SDK with names, deadlines and errors for people.

All servos share one wire. Each call blocks for at most its deadline; nothing here uses ROS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import termios
from typing import Any

from serial import Serial, SerialException, SerialTimeoutException
from serial.tools import list_ports

from gr00t_core.errors import Gr00tError
from gr00t_so101.servos import (
    GOAL,
    IDS,
    LOAD,
    LOCK,
    MEASURED,
    MODEL,
    POSITION,
    Register,
    SPEED,
    STS3215,
    TEMPERATURE,
    TORQUE,
    VOLTAGE,
)

try:
    from scservo_sdk import COMM_RX_CORRUPT, COMM_SUCCESS, GroupSyncRead, PortHandler, sms_sts
except ImportError as error:  # feetech-servo-sdk, which LeRobot installs, has the same module
    raise ImportError(
        'the Python module scservo_sdk is not that of ftservo-python-sdk 2 (feetech-servo-sdk'
        ' replaces it): pip install -r requirements/so101.txt, in an environment without LeRobot',
        name='scservo_sdk',
    ) from error

BAUD_RATE = 1_000_000
WAIT_S = 0.002  # of one read from the port; the SDK itself would spin without a pause
WRITE_S = 0.2
ANSWER_S = 0.1  # a busy computer reads late; where nothing moves, there is time to wait for it
FRAME = 6  # bytes of an answer beside its data
SIZES = 8  # different lengths of a read of what is measured; as many registers follow
HIGHEST_ID = 20  # ids up to this are looked for when a servo does not answer
GONE = (SerialException, OSError, termios.error)


class BusError(Gr00tError):
    """The port or a servo does not do what was asked.

    Attributes:
        joint: The joint whose servo it is, '' for the port.
    """

    joint = ''


class PortError(BusError):
    """The port cannot be opened, or is gone."""


@dataclass(frozen=True)
class Reading:
    """What one servo measures; `errors` is the byte of its error bits."""

    position: int
    speed: int
    load: int
    voltage: int
    temperature: int
    errors: int


class _Port(PortHandler):
    """The SDK's port, which waits for bytes instead of spinning, and whose deadline is ours.

    Attributes:
        deadline_s: How long an answer may take.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.baudrate = BAUD_RATE
        self.deadline_s = ANSWER_S

    def setupPort(self, cflag_baud: int) -> bool:  # noqa: N802
        """Open the port for this process alone."""
        self.ser = Serial(
            self.port_name, cflag_baud, timeout=WAIT_S, write_timeout=WRITE_S, exclusive=True
        )
        self.is_open = True
        self.tx_time_per_byte = 1e4 / cflag_baud
        return True

    def readPort(self, length: int) -> Any:  # noqa: N802
        """Wait a moment for bytes; return those that came."""
        return self.ser.read(max(length, 0))

    def setPacketTimeout(self, packet_length: int) -> None:  # noqa: N802
        """Set the deadline of the answer that is awaited now."""
        self.setPacketTimeoutMillis(self.deadline_s * 1e3 + self.tx_time_per_byte * packet_length)


class Bus:
    """The servos of one arm on one port.

    Attributes:
        port: Serial port.
        ids: Joint → id of its servo.
        missed: Joint → answers to `readings` that were late, lost or damaged.
    """

    def __init__(self, port: str, ids: Mapping[str, int] | None = None) -> None:
        """Prepare; `open` opens the port.

        Args:
            port: Serial port, e.g. /dev/ttyACM0.
            ids: Joint → id of its servo.
        """
        self.port = port
        self.ids = dict(IDS if ids is None else ids)
        self._asked = 0
        self.missed = dict.fromkeys(self.ids, 0)
        self._port = _Port(port)
        self._handler: Any = sms_sts(self._port)

    @property
    def is_open(self) -> bool:
        """Return whether the port is open."""
        return bool(self._port.is_open)

    def open(self) -> None:
        """Open the port.

        Raises:
            PortError: There is none, it may not be opened, or another process has it.
        """
        try:
            self._port.openPort()
        except (*GONE, ValueError) as error:
            raise PortError(f'{self.port}: {_why_closed(self.port, error)}') from None

    def close(self) -> None:
        """Close the port, whatever state it is in."""
        self._port.is_using = False
        if self._port.is_open:
            self._port.is_open = False
            try:
                self._port.ser.close()
            except GONE:
                return  # it is gone already

    def ping(self, servo: int) -> int | None:
        """Return a servo's model number, None when it does not answer."""
        data, result, _ = self._call(self._handler.readTxRx, servo, MODEL.address, MODEL.size)
        return MODEL.decode(bytes(data)) if result == COMM_SUCCESS else None

    def scan(self) -> dict[int, int]:
        """Return id → model number of the servos that answer, up to `HIGHEST_ID`.

        A silent one is asked twice: a single packet may get lost.
        """
        found = {id_: self.ping(id_) or self.ping(id_) for id_ in range(HIGHEST_ID + 1)}
        return {id_: model for id_, model in found.items() if model is not None}

    def check(self) -> None:
        """Look whether every servo answers and is an STS3215.

        Raises:
            BusError: Names the servos that do not, and ids that nothing should have.
        """
        models = {joint: self.ping(servo) for joint, servo in self.ids.items()}
        models |= {
            joint: self.ping(self.ids[joint]) for joint, model in models.items() if model is None
        }
        silent = [joint for joint, model in models.items() if model is None]
        if silent:
            raise self._silent(silent)
        other = {joint: model for joint, model in models.items() if model != STS3215}
        if other:
            names = ', '.join(
                f'{self.name(joint)} has model number {model}' for joint, model in other.items()
            )
            raise BusError(
                f'{self.port}: {names}; an SO-101 has STS3215 ({STS3215}). Is this the right port?'
            )

    def read(self, joint: str, register: Register) -> int:
        """Return what a servo's register holds; asked a second time before it counts as failed.

        Raises:
            BusError: The servo does not answer, or not intelligibly.
        """
        for _ in range(2):
            data, result, _ = self._call(
                self._handler.readTxRx, self.ids[joint], register.address, register.size
            )
            if result == COMM_SUCCESS:
                return register.decode(bytes(data))
        raise self._failed(joint, damaged=result == COMM_RX_CORRUPT)

    def write(self, joint: str, register: Register, value: int) -> None:
        """Write a servo's register; a stored one only when it holds something else.

        Raises:
            BusError: The servo does not confirm.
        """
        if register.stored:
            if self.read(joint, register) == value:
                return
            self._write(joint, LOCK, 0)
        self._write(joint, register, value)
        if register.stored:
            self._write(joint, LOCK, 1)

    def readings(self, deadline_s: float = ANSWER_S) -> dict[str, Reading | BusError]:
        """Read all servos in one go, and those that were not understood once more.

        Args:
            deadline_s: How long the answers may take; a control loop waits less than a person.

        Raises:
            PortError: The port is gone.
        """
        self._port.deadline_s = deadline_s
        try:
            return self._readings()
        finally:
            self._port.deadline_s = ANSWER_S

    def _readings(self) -> dict[str, Reading | BusError]:
        found: dict[str, Reading | BusError] = {}
        missing = list(self.ids)
        for _ in range(2):
            answers = self._sync_read(missing) if missing else {}
            found |= answers
            missing = [joint for joint, each in answers.items() if isinstance(each, BusError)]
            for joint in missing:
                self.missed[joint] += 1
        return {joint: found[joint] for joint in self.ids}

    def _sync_read(self, joints: list[str]) -> dict[str, Reading | BusError]:
        # Each question asks for another number of bytes. So an answer that comes too late is not
        # taken for one to the next question, with a stamp that is wrong by the delay.
        self._asked = (self._asked + 1) % SIZES
        size = MEASURED.size + self._asked
        servos = [self.ids[joint] for joint in joints]
        self._call(self._handler.syncReadTx, MEASURED.address, size, servos, len(servos))
        _, raw = self._call(self._handler.syncReadRx, size, len(servos))
        # A new one for each read: the SDK keeps the old values of a servo that does not answer.
        group = GroupSyncRead(self._handler, MEASURED.address, size)
        found: dict[str, Reading | BusError] = {}
        for joint, servo in zip(joints, servos):
            data, result = group.readRx(raw, servo, size)
            if result == COMM_SUCCESS:
                found[joint] = _reading(bytes(data[1:]), data[0])
            else:
                # One that is cut off is late, not damaged.
                at = bytes(raw).find(bytes((0xFF, 0xFF, servo)))
                is_whole = 0 <= at <= len(raw) - size - FRAME
                found[joint] = self._failed(joint, damaged=is_whole)
        return found

    def write_goals(self, goals: Mapping[str, int]) -> None:
        """Give goal positions (ticks) to servos in one packet, which none of them answers.

        Raises:
            PortError: The port is gone.
        """
        self._broadcast(GOAL, goals)

    def torque_off(self) -> None:
        """Let all servos go limp; sent three times, for no servo answers.

        Raises:
            PortError: The port is gone.
        """
        for _ in range(3):
            self._broadcast(TORQUE, dict.fromkeys(self.ids, 0))

    def name(self, joint: str) -> str:
        """Return how a servo is called in messages."""
        return f'servo {self.ids[joint]} ({joint})'

    def _broadcast(self, register: Register, values: Mapping[str, int]) -> None:
        data: list[int] = []
        for joint, value in values.items():
            data += [self.ids[joint], *register.encode(value)]
        result = self._call(
            self._handler.syncWriteTxOnly, register.address, register.size, data, len(data)
        )
        if result != COMM_SUCCESS:
            raise PortError(f'{self.port}: it does not take what is sent; is it still plugged in?')

    def _write(self, joint: str, register: Register, value: int) -> None:
        data = list(register.encode(value))
        for _ in range(2):
            result, _ = self._call(
                self._handler.writeTxRx, self.ids[joint], register.address, len(data), data
            )
            if result == COMM_SUCCESS:
                return
        raise self._failed(joint, damaged=result == COMM_RX_CORRUPT)

    def _call(self, function: Any, *arguments: Any) -> Any:
        if not self.is_open:
            raise PortError(f'{self.port}: it is not open')
        self._port.is_using = False  # left behind by the SDK when a call was interrupted
        try:
            return function(*arguments)
        except GONE as error:
            self.close()
            is_stuck = isinstance(error, SerialTimeoutException)
            what = f'takes nothing for {WRITE_S:g} s' if is_stuck else f'is gone ({_said(error)})'
            raise PortError(f'{self.port} {what}: check the USB cable and the power') from None

    def _failed(self, joint: str, *, damaged: bool) -> BusError:
        if damaged:
            error = BusError(
                f'{self.name(joint)} on {self.port}: its answers are damaged; check the cables,'
                ' and that no two servos have one id'
            )
        else:
            error = BusError(
                f'{self.name(joint)} on {self.port}: no answer within'
                f' {self._port.deadline_s * 1e3:.0f} ms; check its two cables and the power'
            )
        error.joint = joint
        return error

    def _silent(self, joints: list[str]) -> BusError:
        names = ' and '.join(self.name(joint) for joint in joints)
        strays = sorted(self.scan().keys() - set(self.ids.values()))
        if strays:
            next_step = (
                f'{" and ".join(f"id {servo}" for servo in strays)} answers, which no joint has:'
                ' give the servo its id'
            )
        elif len(joints) == len(self.ids):
            next_step = 'check the power supply, and that this is the port of the arm'
        else:
            next_step = 'check the cables from the servo before it, and its id'
        error = BusError(f'{self.port}: no answer of {names}; {next_step}')
        error.joint = joints[0]
        return error


def _reading(data: bytes, errors: int) -> Reading:
    def at(register: Register) -> int:
        return register.decode(data[register.address - MEASURED.address :])

    return Reading(at(POSITION), at(SPEED), at(LOAD), at(VOLTAGE), at(TEMPERATURE), errors)


def _said(error: BaseException) -> str:
    return ' '.join(str(error).split()) or type(error).__name__


def _why_closed(port: str, error: BaseException) -> str:
    """Return why a port does not open, and what to do."""
    if not Path(port).exists():
        found = ', '.join(sorted(each.device for each in list_ports.comports())) or 'none'
        return f'there is no such port; serial ports here: {found}. Is the USB cable plugged in?'
    text = _said(error)
    if 'Permission denied' in text:
        return 'you may not open it: sudo usermod -aG dialout $USER, then log in again'
    if 'exclusively lock' in text or 'busy' in text:
        return 'another process has it open: end the other driver, or LeRobot'
    return f'it cannot be opened: {text}'
