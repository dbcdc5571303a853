# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who decided each row, and the outcome of its episode: from the bag into both dataset formats."""

from pathlib import Path

from converted import convert
import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg
from truth_bag import header, START_NS, STORE, TruthBag

from gr00t_core.commands.main import run as gr00t
from gr00t_core.dataset.corrections import (
    counted,
    HOLD,
    PERSON,
    POLICY,
    row_weights,
    runs_of,
    STOP,
    UNDECIDED,
)
from gr00t_core.dataset.reader import Dataset
from gr00t_core.errors import DatasetError
from rosbag_tools.convert.sources import MAX_AGE_NS, sources_at, TOPIC, TYPE

DEFINITION = Path(__file__).parents[3] / 'gr00t_msgs' / 'msg' / 'CommandSource.msg'
PERIOD_NS = 10_000_000


class CorrectedBag(TruthBag):
    """A bag with a command source at 100 Hz: `who` of the time in s, None for silence."""

    who = staticmethod(lambda seconds: POLICY)

    def _joints(self, topic, rng):
        found = super()._joints(topic, rng)
        if topic == self.robot.action[0].stream.topic:
            for k in range(round(self.seconds * 1e9 / PERIOD_NS)):
                source = self.who(k * PERIOD_NS / 1e9)
                if source is not None:
                    stamp = START_NS + k * PERIOD_NS
                    message = STORE.types[TYPE](header=header(stamp), source=source)
                    raw = bytes(STORE.serialize_cdr(message, TYPE))
                    found.append((stamp + 1_000_000, TOPIC, TYPE, raw))
        return found


def corrected(seconds):
    """Say who decides: the policy, a person, the executor that stops and holds, the policy."""
    edges = ((0.5, POLICY), (1.2, PERSON), (1.5, STOP), (1.8, HOLD), (2.2, PERSON), (2.6, None))
    return next((who for end, who in edges if seconds < end), POLICY)


@pytest.fixture
def bags(tmp_path):
    """Return a corrected run that succeeded, and a demonstration without executor."""
    if TYPE not in STORE.fielddefs:
        STORE.register(get_types_from_msg(DEFINITION.read_text(), TYPE))
    run = CorrectedBag(custom={'gr00t.success': 'true', 'gr00t.instruction': 'lift'})
    run.who = corrected
    demonstration = TruthBag(custom={'gr00t.instruction': 'lift'})
    return [run.write(tmp_path / 'run'), demonstration.write(tmp_path / 'demo')]


@pytest.mark.parametrize('version', ['v2.1', 'v3.0'])
def test_the_dataset_says_who_decided_each_row(tmp_path, bags, version):
    truth = convert(tmp_path, bags, '--version', version)
    dataset = truth.dataset
    source = dataset.column('command_source').ravel()
    intervention = dataset.column('intervention').ravel()
    outcome = dataset.column('outcome').ravel()
    assert intervention.dtype == np.bool_
    np.testing.assert_array_equal(intervention, source == PERSON)
    first = dataset.episodes[0].length
    for row, seconds in enumerate(truth.stamp_s[:first]):
        # The newest source that is not younger than the row; none that is too old.
        held = int(seconds * 100 + 1e-6) / 100
        expected = corrected(held)
        if expected is None:
            age_s = seconds - 2.19
            expected = PERSON if age_s <= MAX_AGE_NS / 1e9 else UNDECIDED
        assert source[row] == expected, (row, seconds)
    assert set(source[first:]) == {UNDECIDED}
    assert set(outcome[:first]) == {1}
    assert set(outcome[first:]) == {-1}
    assert runs_of(source) == 2
    (run, demonstration) = truth.report['bags']
    assert run['episodes'][0]['decided']['person'] == int(intervention.sum())
    assert demonstration['episodes'][0]['decided'] == {'unknown': len(source) - first}
    page = (truth.path / 'meta' / 'conversion_report.html').read_text()
    assert 'decided by' in page
    assert gr00t('validate', [str(truth.path)]) == 0


def test_without_a_source_the_dataset_is_what_it_was(tmp_path, bags):
    dataset = convert(tmp_path, [bags[1]]).dataset
    assert not {'intervention', 'command_source', 'outcome'} & dataset.info.features.keys()
    assert row_weights(dataset, 'person', 3.0) is None


def test_rows_are_selected_and_weighed(tmp_path, bags):
    path = convert(tmp_path, bags).path
    dataset = Dataset.open(path)
    source = dataset.column('command_source').ravel()
    weights = row_weights(dataset, weight=4.0)
    assert {float(w) for w in weights[source == PERSON]} == {4.0}
    assert {float(w) for w in weights[np.isin(source, (POLICY, UNDECIDED))]} == {1.0}
    assert not weights[np.isin(source, (HOLD, STOP))].any()
    np.testing.assert_array_equal(row_weights(dataset, 'person') > 0, source == PERSON)
    chosen = row_weights(dataset, 'policy', only_success=True) > 0
    np.testing.assert_array_equal(
        chosen, (source == POLICY) & (dataset.column('outcome').ravel() == 1)
    )
    assert sum(counted(dataset).values()) == len(dataset)
    for wrong in ({'rows': 'unknown'}, {'weight': 0.0}):
        with pytest.raises(DatasetError):
            row_weights(dataset, **wrong)


def test_a_source_that_is_too_old_says_nothing():
    said_ns, said = np.array([100, 200]), np.array([POLICY, PERSON])
    rows = np.array([50, 100, 199, 200, 200 + MAX_AGE_NS, 201 + MAX_AGE_NS])
    expected = [UNDECIDED, POLICY, POLICY, PERSON, PERSON, UNDECIDED]
    assert sources_at(rows, said_ns, said).tolist() == expected
    nothing = np.empty(0, np.int64)
    assert set(sources_at(rows, nothing, nothing)) == {UNDECIDED}
