# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An SO-101 that is not there: six STS3215 on a pseudo terminal, with faults to order.

It speaks the packets of Feetech's protocol: ping, read, write, sync read, sync write, checksums,
error bits. Servos move by their registers (goal, speed, acceleration, torque) in real time. Run it
as a program for an arm to play with: `python so101_emulator.py [FOLDER]`.
"""

import contextlib
from dataclasses import dataclass, field
import os
from pathlib import Path
import select
import sys
import threading
import time
import tty

PING, READ, WRITE, SYNC_READ, SYNC_WRITE, BROADCAST = 1, 2, 3, 0x82, 0x83, 0xFE
JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')
FASTEST, STEP_S = 3400.0, 0.002  # ticks/s without a load; of the integration
OVERLOAD = 32


def sign_magnitude(value, bit):
    return (-value | 1 << bit) if value < 0 else value


def signed(value, bit):
    return -(value & ~(1 << bit)) if value >> bit & 1 else value


@dataclass
class Servo:
    """One servo: its memory, where it is (ticks of its encoder), and what is wrong with it."""

    id: int
    encoder: float = 2048.0
    speed: float = 0.0
    silent: bool = False  # answers nothing
    drop: int = 0  # so many answers are lost
    corrupt: int = 0  # so many answers are damaged
    late_s: float = 0.0
    answers_as: int | None = None  # the id in its answers
    stalled: bool = False  # something holds the joint
    overloads_after_s: float = 1e9
    errors: int = 0
    memory: bytearray = field(default_factory=lambda: bytearray(90))
    fastest_seen: float = 0.0
    torque_was_off: int = 0
    _stalled_s: float = 0.0

    def __post_init__(self):
        self.put(3, 777)
        self.memory[5] = self.id
        self.put(11, 4095)
        self.put(16, 1000)
        self.memory[21:24] = bytes((32, 32, 0))
        self.put(48, 1000)
        self.memory[55] = 1
        self.memory[62], self.memory[63] = 74, 31

    def put(self, address, value, size=2):
        self.memory[address : address + size] = int(value).to_bytes(size, 'little')

    def get(self, address, size=2):
        return int.from_bytes(self.memory[address : address + size], 'little')

    @property
    def offset(self):
        return signed(self.get(31), 11)

    @property
    def position(self):
        """What it reports (ticks)."""
        return round(self.encoder - self.offset)

    @property
    def torque(self):
        return self.memory[40] == 1

    def write(self, address, data):
        """Take a write; stored registers only when unlocked, as the real one."""
        if address < 40 and self.memory[55]:
            return
        self.memory[address : address + len(data)] = data
        if address <= 40 < address + len(data) and self.memory[40] != 1:
            self.torque_was_off += 1
            self.errors &= ~OVERLOAD
            self._stalled_s = 0.0

    def advance(self, seconds):
        """Move for a while, like a profile of limited speed and acceleration."""
        goal = signed(self.get(42), 15) + self.offset
        low, high = self.get(9) + self.offset, self.get(11) + self.offset
        goal = min(max(goal, low), high) if high > low else goal
        fastest = min(self.get(46) or FASTEST, FASTEST)
        change = (self.memory[41] or 254) * 100.0 * seconds
        away = goal - self.encoder
        wanted = 0.0
        if self.torque and not self.stalled:
            braking = (2.0 * change / seconds * abs(away)) ** 0.5
            wanted = min(fastest, braking, abs(away) / seconds) * (1 if away > 0 else -1)
        self.speed += min(max(wanted - self.speed, -change), change)
        if not self.torque or self.stalled:
            self.speed = 0.0
        self.encoder += self.speed * seconds
        if self.torque:
            self.fastest_seen = max(self.fastest_seen, abs(self.speed))
        load = 1000 if self.torque and self.stalled and abs(away) > 20 else 0
        self._stalled_s = self._stalled_s + seconds if load else 0.0
        if self._stalled_s > self.overloads_after_s:
            self.errors |= OVERLOAD
        self.put(56, sign_magnitude(self.position, 15))
        self.put(58, sign_magnitude(round(self.speed), 15))
        self.put(60, load)


class Emulator:
    """Six servos behind a path like /dev/ttyACM0; `unplug` and `plug` as with a cable."""

    def __init__(self, port, ids=range(1, 7)):
        self.port = Path(port)
        self.servos = {joint: Servo(number) for joint, number in zip(JOINTS, ids)}
        self.lock = threading.Lock()
        self.packets = 0
        self._ended = threading.Event()
        self._master = self._slave = -1
        self._path = ''
        self._at = time.monotonic()
        self.plug()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __getitem__(self, joint):
        return self.servos[joint]

    def plug(self):
        """Make the port."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        with contextlib.suppress(FileNotFoundError):
            self.port.unlink()
        self.port.symlink_to(os.ttyname(slave))
        self._master, self._slave = master, slave

    def unplug(self, power=True):
        """Pull the cable; with `power` the servos lose it, and what was not stored."""
        self.port.unlink()
        master, slave, self._master, self._slave = self._master, self._slave, -1, -1
        os.close(master)
        os.close(slave)
        if power:
            for servo in self.servos.values():
                servo.memory[40:55] = bytes(15)

    def calibrate(self, calibration):
        """Store a calibration (joint → LeRobot's numbers), and go to the middle of the ranges."""
        for joint, each in calibration.items():
            servo = self.servos[joint]
            servo.put(31, sign_magnitude(each['homing_offset'], 11))
            servo.put(9, each['range_min'])
            servo.put(11, each['range_max'])
            servo.encoder = (each['range_min'] + each['range_max']) / 2 + each['homing_offset']
            if joint == 'gripper':
                servo.encoder = each['range_min'] + 200 + each['homing_offset']

    def move(self, joint, ticks):
        """Move a limp joint by hand to a position that it then reports."""
        servo = self.servos[joint]
        with self.lock:
            assert not servo.torque, f'{joint} has torque'
            servo.encoder = ticks + servo.offset
            servo.put(56, sign_magnitude(servo.position, 15))

    @property
    def torques(self):
        return [servo.torque for servo in self.servos.values()]

    def close(self):
        self._ended.set()
        self._thread.join(5.0)
        if self._master >= 0:
            self.unplug(power=False)

    def _serve(self):
        pending, late = bytearray(), []
        while not self._ended.is_set():
            with self.lock:
                self._advance()
            self._send([answer for due, answer in late if due <= time.monotonic()])
            late = [each for each in late if each[0] > time.monotonic()]
            if self._master < 0:
                pending.clear()
                time.sleep(0.01)
                continue
            try:
                ready, _, _ = select.select([self._master], [], [], 0.005)
                if ready:
                    pending += os.read(self._master, 4096)
            except OSError:
                time.sleep(0.005)  # between unplug and plug, or no reader yet
                continue
            except ValueError:
                continue
            while (packet := self._next(pending)) is not None:
                self.packets += 1
                with self.lock:
                    self._advance()
                    answers = self._answers(packet)
                now = time.monotonic()
                late += [(now + servo.late_s, answer) for servo, answer in answers if servo.late_s]
                self._send([answer for servo, answer in answers if not servo.late_s])

    def _advance(self):
        now = time.monotonic()
        # Not more than a second: a test machine that slept is no reason to integrate for long.
        self._at = max(self._at, now - 1.0)
        while self._at + STEP_S <= now:
            self._at += STEP_S
            for servo in self.servos.values():
                servo.advance(STEP_S)

    @staticmethod
    def _next(pending):
        """Take a whole packet off what has come: (id, instruction, parameters)."""
        while len(pending) >= 6:
            if pending[:2] != b'\xff\xff' or pending[2] == 0xFF:
                del pending[0]
                continue
            size = pending[3] + 4
            if len(pending) < size:
                return None
            packet = bytes(pending[:size])
            del pending[:size]
            if ~sum(packet[2:-1]) & 0xFF == packet[-1]:
                return packet[2], packet[4], packet[5:-1]
        return None

    def _send(self, answers):
        with contextlib.suppress(OSError):
            for answer in answers:
                os.write(self._master, answer)

    def _answers(self, packet):
        """Return (servo, packet) of those that answer."""
        return [(servo, status) for servo, status in self._asked(packet) if status]

    def _asked(self, packet):
        number, instruction, parameters = packet
        by_id = {servo.id: servo for servo in self.servos.values()}
        if instruction == SYNC_WRITE:
            address, size = parameters[:2]
            rest = parameters[2:]
            for at in range(0, len(rest), size + 1):
                if (servo := by_id.get(rest[at])) is not None and not servo.silent:
                    servo.write(address, rest[at + 1 : at + 1 + size])
            return []
        if instruction == SYNC_READ:
            address, size = parameters[:2]
            asked = [by_id[each] for each in parameters[2:] if each in by_id]
            return [(s, self._status(s, s.memory[address : address + size])) for s in asked]
        servo = by_id.get(number)
        if servo is None:
            return []
        if instruction == READ:
            data = servo.memory[parameters[0] : sum(parameters[:2])]
            return [(servo, self._status(servo, data))]
        if instruction == WRITE and not servo.silent:
            servo.write(parameters[0], parameters[1:])
            if parameters[0] == 5:
                servo.id = parameters[1]
        return [(servo, self._status(servo, b''))]

    @staticmethod
    def _status(servo, data):
        if servo.silent:
            return b''
        if servo.drop > 0:
            servo.drop -= 1
            return b''
        number = servo.id if servo.answers_as is None else servo.answers_as
        body = bytes((number, len(data) + 2, servo.errors)) + bytes(data)
        packet = bytearray(b'\xff\xff' + body + bytes((~sum(body) & 0xFF,)))
        if servo.corrupt > 0:
            servo.corrupt -= 1
            packet[-2] ^= 0x5A
        return bytes(packet)


# The calibration of an arm that does not exist, in LeRobot's words.
WORDS = ('id', 'drive_mode', 'homing_offset', 'range_min', 'range_max')
CALIBRATION = {
    joint: dict(zip(WORDS, row))
    for joint, row in {
        'shoulder_pan': (1, 0, -150, 760, 3340),
        'shoulder_lift': (2, 0, 300, 870, 3220),
        'elbow_flex': (3, 0, -80, 900, 3130),
        'wrist_flex': (4, 0, 1200, 850, 3230),
        'wrist_roll': (5, 0, -900, 0, 4095),
        'gripper': (6, 0, 40, 1500, 2950),
    }.items()
}


if __name__ == '__main__':
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else '.')
    arms = {name: Emulator(folder / name) for name in ('follower', 'leader')}
    for arm_name, arm in arms.items():
        arm.calibrate(CALIBRATION)
        print(f'{arm_name}: {arm.port}', flush=True)
    threading.Event().wait()
