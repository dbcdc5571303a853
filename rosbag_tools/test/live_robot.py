# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A robot on real topics whose truth is known: images carry their time, joints are functions."""

from collections import defaultdict
import subprocess
import sys
import threading
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from rclpy.serialization import serialize_message
from rclpy.time import Time
import sensor_msgs.msg
from sensor_msgs.msg import CompressedImage, Image, JointState
import simplejpeg
from truth_bag import joint_truth, time_image

from gr00t_core.robot.file import load_robot

# Options of `gr00t convert`: a busy machine sends with gaps, which are not what a test is about.
ANY_GAPS = ('--max-dropped', '1.0', '--max-pieces', '100')


class LiveRobot:
    """Publishes an SO-101 at 30 and 100 Hz from a thread; keeps what it sent; calls services.

    A camera whose type in the robot file is Image sends raw pictures.
    """

    def __init__(self, robot='so101'):
        self.robot = load_robot(robot)
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node('live_robot', context=self.context)
        self.sent = defaultdict(list)  # topic → serialized messages
        self.muted = set()
        self.publishers = {
            topic: self.node.create_publisher(
                getattr(sensor_msgs.msg, kind.rpartition('/')[2]),
                topic,
                qos_profile_sensor_data if 'camera' in topic else 10,
            )
            for topic, kind in self.robot.topics.items()
        }
        self.node.create_timer(1 / 30, self._frames)
        self.node.create_timer(1 / 100, self._joints)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self._spin, daemon=True)
        self.thread.start()

    def _spin(self):
        while not self.closing.is_set():
            self.executor.spin_once(timeout_sec=0.1)

    def _frames(self):
        now_ns = self.node.get_clock().now().nanoseconds // 1000 * 1000
        image = time_image(now_ns % 10**15, (320, 240))
        data = simplejpeg.encode_jpeg(image, quality=90)
        for camera in self.robot.cameras:
            message = CompressedImage(format='jpeg', data=data)
            if camera.stream.type.endswith('/Image'):
                height, width, _ = image.shape
                message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
                message.data = image.tobytes()
            self._send(camera.stream.topic, message, now_ns)

    def _joints(self):
        now_ns = self.node.get_clock().now().nanoseconds
        names = [name.split('/')[1] for name in self.robot.state_names]
        position = joint_truth(now_ns % 10**12 / 1e9, 6)
        for topic, shift in (('joint_states', 0.0), ('joint_commands', 0.01)):
            message = JointState(name=names, position=(position + shift).tolist())
            self._send(topic, message, now_ns)

    def _send(self, topic, message, stamp_ns):
        if topic not in self.muted:
            message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
            raw = serialize_message(message)
            self.sent[topic].append(raw)
            self.publishers[topic].publish(raw)

    def wait_until(self, condition, what, limit_s=15):
        end = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.02)

    def wait_for_subscribers(self):
        self.wait_until(
            lambda: all(p.get_subscription_count() for p in self.publishers.values()),
            'there is no subscriber',
        )

    def call(self, kind, name, **fields):
        client = self.node.create_client(kind, name)
        try:
            assert client.wait_for_service(15)
            future = client.call_async(kind.Request(**fields))
            self.wait_until(future.done, f'{name} does not answer')
            return future.result()
        finally:
            self.node.destroy_client(client)

    def close(self):
        self.closing.set()  # the thread may not publish with a context that was shut down
        self.thread.join(5)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def recorder_process(environment, output, robot='so101', **parameters):
    """Start the recorder node as a process; its output is text in `stdout`."""
    words = [sys.executable, '-m', 'rosbag_tools.record.node', '--ros-args']
    parameters = {'robot': str(robot), 'output': str(output), 'min_free_gb': 0.0, **parameters}
    for name, value in parameters.items():
        text = str(value).lower() if isinstance(value, bool) else value
        words += ['-p', f'{name}:={text}']
    return subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def start_episode(robot, **fields):
    """Start an episode once the recorder has heard everything; return the answer."""
    from gr00t_msgs.srv import StartEpisode

    answers = []

    def started():
        answers.append(robot.call(StartEpisode, 'recorder/start_episode', **fields))
        return answers[-1].success

    robot.wait_until(started, lambda: answers[-1])
    return answers[-1]
