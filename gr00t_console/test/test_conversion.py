# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page converts bags: one conversion at a time, obeying what was decided; no browser."""

import shutil
import time

import pytest
from view_data import bags

from gr00t_console.view.conversion import Conversion
from gr00t_core.dataset.decisions import Decision, write_decisions
from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import DatasetError


def ended(conversion):
    """Wait for the end; return what the page is told then."""
    end = time.monotonic() + 120
    while conversion.running:
        assert time.monotonic() < end, conversion.told()
        time.sleep(0.05)
    return conversion.told()


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    """Give a folder with two bags, of which the first is a success; no test changes it."""
    return bags(tmp_path_factory.mktemp('recorded'), (0.7, 0.5))[0].parent


@pytest.fixture
def folder(recorded, tmp_path):
    """Give a copy of them."""
    return shutil.copytree(recorded, tmp_path / 'bags')


@pytest.fixture
def conversion(folder):
    """Give the conversion of the bags."""
    made = Conversion(
        [str(folder), '--robot', 'so101'], folder.with_name('decisions.yaml'), folder, gently=True
    )
    yield made
    made.close()


def test_bags_become_a_dataset_and_again_as_it_is_decided_then(conversion, folder):
    assert conversion.told() == {'state': 'none', 'output': str(folder) + '_dataset'}
    with pytest.raises(DatasetError, match='convert first'):
        conversion.report()
    conversion.begin(str(conversion.output), only_success=False)
    assert conversion.told()['state'] == 'running'
    with pytest.raises(DatasetError, match='is under way: wait'):
        conversion.begin(str(folder.with_name('other')), only_success=False)
    told = ended(conversion)
    assert (told['state'], told['episodes'], told['bags'], told['text']) == ('done', 2, 2, '')
    assert conversion.report().is_file()
    assert len(Dataset.open(conversion.output).episodes) == 2
    assert not folder.with_name('other').exists()

    # A decision later, the same folder is brought up to date.
    write_decisions(folder.with_name('decisions.yaml'), [Decision('episode_0', delete=True)])
    conversion.begin(str(conversion.output), only_success=False)
    assert ended(conversion)['episodes'] == 1
    assert Dataset.open(conversion.output).episodes[0].tasks == ('task 1',)
    # Nothing is left: the person reads why, and the dataset of before stays.
    conversion.begin(str(conversion.output), only_success=True)
    told = ended(conversion)
    assert told['state'] == 'failed'
    assert 'no episodes' in told['text']
    with pytest.raises(DatasetError, match='convert first'):
        conversion.report()
    assert len(Dataset.open(conversion.output).episodes) == 1


def test_a_dataset_with_faults_says_which(conversion, folder):
    (folder / 'episode_2').mkdir()
    (folder / 'episode_2' / 'episode_2_0.mcap').write_bytes(b'the recorder writes this one')
    conversion.begin(str(conversion.output), only_success=True)
    told = ended(conversion)
    assert (told['state'], told['episodes']) == ('faulty', 1)
    assert 'episode_2' in told['text']


@pytest.mark.parametrize(
    ('output', 'why'),
    [(' ', 'give the folder'), ('{bags}/dataset', 'one beside it'), ('{bags}', 'one beside it')],
)
def test_a_folder_that_cannot_be_taken_is_refused_at_once(conversion, folder, output, why):
    with pytest.raises(DatasetError, match=why):
        conversion.begin(output.format(bags=folder), only_success=False)
    assert not conversion.running


def test_what_convert_refuses_is_told(conversion, folder):
    foreign = folder.with_name('mine')
    foreign.mkdir()
    (foreign / 'notes.txt').write_text('mine')
    conversion.begin(str(foreign), only_success=False)
    told = ended(conversion)
    assert told['state'] == 'failed'
    assert 'was not made by gr00t convert' in told['text']
    assert [path.name for path in foreign.iterdir()] == ['notes.txt']


def test_the_end_of_the_server_ends_it(conversion, folder):
    conversion.begin(str(conversion.output), only_success=False)
    began = time.monotonic()
    conversion.close()
    told = ended(conversion)
    assert time.monotonic() - began < 20
    assert told['state'] == 'failed'
    assert not conversion.output.exists()
