# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A figure that several pages quote is the same on each: docs/figures.yaml holds the value."""

import json
from pathlib import Path
import re

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FIGURES = yaml.safe_load((ROOT / 'docs' / 'figures.yaml').read_text('utf-8'))
QUOTES = [(name, page) for name, figure in FIGURES.items() for page in figure['quotes']]


def words(text: str) -> str:
    """Return a text with its lines joined: a quote may pass the end of a line."""
    return re.sub(r'\s+', ' ', text)


def quoted(phrase: str, text: str) -> list[str]:
    """Return every number that stands at {} of a phrase."""
    before, after = (re.escape(words(part)) for part in phrase.split('{}'))
    return re.findall(before + r'(\d[\d.,]*?)' + after, words(text))


def says(number: str, value: float) -> bool:
    """Return whether a number is the value, rounded to as many digits as it has."""
    digits = len(number.partition('.')[2])
    return abs(float(number.replace(',', '')) - value) <= 0.5000001 * 10**-digits


@pytest.mark.parametrize(('name', 'page'), QUOTES)
def test_the_page_quotes_what_was_measured(name, page):
    value, phrase = FIGURES[name]['value'], FIGURES[name]['quotes'][page]
    found = quoted(phrase, (ROOT / page).read_text('utf-8'))
    assert found, f'{page} does not say {phrase!r} any more: change docs/figures.yaml, too'
    wrong = [number for number in found if not says(number, value)]
    assert not wrong, f'{page} says {wrong} for {name}, measured: {value}'


@pytest.mark.parametrize(
    ('number', 'fits'), [('4.5', True), ('4.47', True), ('4', True), ('4.4', False), ('5', False)]
)
def test_a_quote_may_round_and_nothing_else(number, fits):
    assert says(number, 4.47) == fits


def test_another_number_in_the_same_words_is_found():
    assert quoted(
        'takes {} ms\nof time', 'It takes 3.5 ms of time, and takes 1,204 ms of\n time.'
    ) == ['3.5', '1,204']


def test_every_row_of_the_readme_has_a_source():
    """Each row of the README's table quotes at least one figure that is held."""
    text = (ROOT / 'README.md').read_text('utf-8')
    rows = text.partition('## Figures')[2].partition('## Limits')[0].splitlines()
    rows = [row for row in rows if row.startswith('| ') and re.search(r'\d', row)]
    phrases = [f['quotes']['README.md'] for f in FIGURES.values() if 'README.md' in f['quotes']]
    assert len(rows) > 5
    assert not [row for row in rows if not any(quoted(phrase, row) for phrase in phrases)]


def test_the_success_of_the_shipped_policy_is_that_of_its_evaluation():
    report = json.loads((ROOT / 'reproduce' / 'evaluation.json').read_text('utf-8'))
    assert FIGURES['success of the shipped policy, %']['value'] == pytest.approx(
        100 * report['success']
    )
    assert FIGURES['its scenes of 50']['value'] == report['runs']['policy']['right']
