# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make, load and edit datasets with LeRobot's own code; run by the Python of a venv that has it.

Usage: lerobot_kinds_probe.py make FOLDER         every kind that this LeRobot can write
       lerobot_kinds_probe.py load DATASET...     print what LeRobot sees, as JSON
       lerobot_kinds_probe.py edit DATASET FOLDER delete, merge, add and remove a feature

Frame k of an episode is of one colour, so that a reader can tell which one it got.
"""

import json
from pathlib import Path
import sys

import numpy as np

try:
    import lerobot.datasets.dataset_tools as tools
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
except ImportError as error:
    sys.exit(f'no LeRobot here: {error}')

SIDE, FPS, JOINTS, LENGTHS = 96, 10, 3, (8, 6)
NAMES = [f'j{joint}.pos' for joint in range(JOINTS)]
CAMERA = 'observation.images.front'
SEPARATED = 'pick the block\u2028then place it'


def camera(dtype='video', channels_first=False, **more):
    shape, axes = (SIDE, SIDE, 3), ['height', 'width', 'channels']
    if channels_first:
        shape, axes = (3, SIDE, SIDE), ['channels', 'height', 'width']
    return {'dtype': dtype, 'shape': shape, 'names': axes, **more}


def joints(dtype='float32', names=tuple(NAMES)):
    return {'dtype': dtype, 'shape': (JOINTS,), 'names': list(names) if names else None}


RICH = {
    'observation.f64': {'dtype': 'float64', 'shape': (2,), 'names': ['a', 'b']},
    'observation.i32': {'dtype': 'int32', 'shape': (1,), 'names': None},
    'observation.u8': {'dtype': 'uint8', 'shape': (2,), 'names': None},
    'observation.grid': {'dtype': 'float32', 'shape': (2, 3), 'names': None},
    'observation.cube': {'dtype': 'float32', 'shape': (2, 2, 2), 'names': None},
    'next.done': {'dtype': 'bool', 'shape': (1,), 'names': None},
    'note': {'dtype': 'string', 'shape': (1,), 'names': None},
}
KINDS = {
    'plain': {},
    'channels_first': {CAMERA: camera(channels_first=True)},
    'image': {CAMERA: camera('image')},
    'image_first': {CAMERA: camera('image', channels_first=True)},
    'rich': RICH,
    'float64': {'observation.state': joints('float64'), 'action': joints('float64')},
    'unnamed': {
        'observation.state': joints(names=None),
        'action': joints(names=None),
    },
    'depth': {
        'observation.images.depth': {
            'dtype': 'video',
            'shape': (SIDE, SIDE, 1),
            'names': ['height', 'width', 'channels'],
            'info': {'is_depth_map': True},
        }
    },
    'subtasks': {'subtask_index': {'dtype': 'int64', 'shape': (1,), 'names': None}},
}


def values(name, feature, episode, step):
    """Return the value of a feature at a step."""
    shape = tuple(feature['shape'])
    if name == CAMERA:
        frame = np.full((SIDE, SIDE, 3), (20 * step + 40, 100, 60 * episode), np.uint8)
        return frame.transpose(2, 0, 1) if shape[0] == 3 else frame
    if name.endswith('depth'):
        return np.full(shape, 500 + 10 * step, np.uint16)
    if feature['dtype'] == 'string':
        return f'note {step}'
    if name == 'subtask_index':
        return np.array([step % 2], np.int64)
    if name in ('observation.state', 'action'):
        ahead = 1 if name == 'action' else 0
        return np.sin(np.arange(JOINTS) + episode + (step + ahead) / 5).astype(feature['dtype'])
    count = np.arange(np.prod(shape)).reshape(shape)
    return (count + step + 10 * episode).astype(feature['dtype'])


def make(folder):
    """Write every kind; print kind → ok or what LeRobot said."""
    said = {}
    for kind, more in KINDS.items():
        features = {
            'observation.state': joints(),
            'action': joints(),
            CAMERA: camera(),
            **more,
        }
        use_videos = features[CAMERA]['dtype'] == 'video'
        try:
            dataset = LeRobotDataset.create(
                f'local/{kind}',
                FPS,
                features,
                root=folder / kind,
                robot_type='tiny',
                use_videos=use_videos,
            )
            for episode, length in enumerate(LENGTHS):
                for step in range(length):
                    frame = {n: values(n, f, episode, step) for n, f in features.items()}
                    several = kind == 'rich' and step >= length // 2
                    frame['task'] = SEPARATED if several else 'pick the block'
                    dataset.add_frame(frame)
                dataset.save_episode()
            dataset.finalize()
            if kind == 'subtasks':
                import pandas

                table = pandas.DataFrame(
                    {'subtask_index': [0, 1]},
                    index=pandas.Index(['reach', 'grasp'], name='subtask'),
                )
                table.to_parquet(folder / kind / 'meta/subtasks.parquet')
            said[kind] = 'ok'
        except Exception as error:
            said[kind] = f'{type(error).__name__}: {error}'[:300]
    try:
        add_language(folder)
        said['language'] = 'ok'
    except Exception as error:
        said['language'] = f'{type(error).__name__}: {error}'[:300]
    print(json.dumps(said))


def add_language(folder):
    """Copy the plain dataset and give it the columns of LeRobot 0.6's annotation pipeline."""
    import shutil

    from lerobot.datasets import language
    import pyarrow as pa
    import pyarrow.parquet as pq

    shutil.copytree(folder / 'plain', folder / 'language')
    path = next((folder / 'language/data').rglob('*.parquet'))
    table = pq.read_table(path)
    row = {
        'role': 'assistant',
        'content': 'reach',
        'style': 'subtask',
        'timestamp': 0.0,
        'camera': None,
        'tool_calls': None,
    }
    # pa.array cannot make the JSON extension type inside a list; stored it is a string.
    pa.json_ = pa.string
    persistent = pa.array([[row]] * len(table), language.language_persistent_arrow_type())
    events = pa.array([[]] * len(table), language.language_events_arrow_type())
    table = table.append_column('language_persistent', persistent)
    table = table.append_column('language_events', events)
    pq.write_table(table.replace_schema_metadata(None), path)
    info = folder / 'language/meta/info.json'
    content = json.loads(info.read_text())
    for name in language.LANGUAGE_COLUMNS:
        content['features'][name] = {'dtype': 'language', 'shape': [1], 'names': None}
    info.write_text(json.dumps(content))


def load(*paths):
    """Print what LeRobot sees of datasets: path → rows and statistics, or why it cannot load."""
    seen = {}
    for path in paths:
        try:
            seen[str(path)] = look(path)
        except Exception as error:
            seen[str(path)] = {'error': f'{type(error).__name__}: {error}'[:300]}
    print(json.dumps(seen))


def look(path):
    dataset = LeRobotDataset('local/dataset', root=path)
    rows = []
    for index in range(len(dataset)):
        row = {}
        for name, value in dataset[index].items():
            if hasattr(value, 'tolist'):
                picture = value.ndim == 3 and name.startswith('observation.images')
                row[name] = value.mean(dim=(1, 2)).tolist() if picture else value.tolist()
            else:
                row[name] = value if isinstance(value, (str, int, float)) else repr(value)
        rows.append(row)
    stats = dataset.meta.stats or {}
    return {
        'rows': rows,
        'episodes': dataset.num_episodes,
        'shapes': {name: np.shape(entry['mean']) for name, entry in stats.items()},
    }


def edit(path, folder):
    """Edit a dataset with LeRobot's tools; print name of the edit → ok or what LeRobot said."""
    dataset = LeRobotDataset('local/dataset', root=path)
    flag = {'dtype': 'float32', 'shape': (1,), 'names': None}
    ones = np.ones((len(dataset), 1), np.float32)
    edits = {
        'delete': lambda to: tools.delete_episodes(dataset, [0], to, 'local/delete'),
        'merge': lambda to: tools.merge_datasets([dataset, dataset], 'local/merge', to),
        'split': lambda to: tools.split_dataset(dataset, {'one': [0], 'two': [1]}, to),
        'add': lambda to: tools.add_features(
            dataset, {'flag': (ones, flag)}, output_dir=to, repo_id='local/add'
        ),
        'remove': lambda to: tools.remove_feature(
            dataset, 'observation.state', output_dir=to, repo_id='local/remove'
        ),
    }
    said = {}
    for name, run in edits.items():
        try:
            run(folder / name)
            said[name] = 'ok'
        except Exception as error:
            said[name] = f'{type(error).__name__}: {error}'[:300]
    print(json.dumps(said))


if __name__ == '__main__':
    {'make': make, 'load': load, 'edit': edit}[sys.argv[1]](*map(Path, sys.argv[2:]))
