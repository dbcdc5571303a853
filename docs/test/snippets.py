# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Find the code blocks of a Markdown page, and what its comments say about how to test them.

`sh`, `python` and `yaml` blocks are tested; `text` blocks and those without a language are not.
A comment right above a block changes how it is tested, several may stand there:

    <!-- snippet: skip (needs a GPU) -->        not run, but its commands and options must exist
    <!-- snippet: replace "10000" by "2" -->    run with that text in place of the one shown
    <!-- snippet: stop at "active" -->          Ctrl-C once the output shows the text
    <!-- snippet: background until "ready" -->  goes on to run until the page ends
    <!-- snippet: keys r until "recording", wait 2 s, s until " messages", q -->
    <!-- snippet: save as my_arm.yaml -->       a file that later blocks use
    <!-- snippet: in so101 -->                  a piece of this robot's file

`<!-- snippet: given bags base -->`, anywhere in a page, names prepared inputs; see `inputs.py`.
`gr00t convert` gets `--workers 1` in the test.
"""

from dataclasses import dataclass, field
from pathlib import Path
import re
import shlex

ROOT = Path(__file__).resolve().parents[2]
TESTED = ('sh', 'python', 'yaml')
MISSPELT = {'bash': 'sh', 'shell': 'sh', 'console': 'sh', 'py': 'python', 'yml': 'yaml'}
_FENCE = re.compile(r'^(\s*)```(\S*)\s*$')
_COMMENT = re.compile(r'^\s*<!-- snippet: (.*?) -->\s*$')
_QUOTED = r'"([^"]+)"'
FORMS = {
    'skip': re.compile(r'skip \((.+)\)'),
    'replace': re.compile(rf'replace {_QUOTED} by "([^"]*)"'),
    'stop': re.compile(rf'stop at {_QUOTED}'),
    'background': re.compile(rf'background until {_QUOTED}'),
    'keys': re.compile(r'keys (.+)'),
    'save': re.compile(r'save as (\S+)'),
    'in': re.compile(r'in (\S+)'),
    'given': re.compile(r'given (.+)'),
}


@dataclass
class Block:
    """One fenced block.

    Attributes:
        where: `page.md:line` of its fence.
        language: What stands behind the fence.
        text: Its lines, without the indentation of the fence.
        said: Directive → its values, in the order of the comments.
    """

    where: str
    language: str
    text: str
    said: dict[str, list[tuple[str, ...]]] = field(default_factory=dict)

    def one(self, directive: str) -> str | None:
        """Return the first value of a directive, None where it is not there."""
        return self.said[directive][0][0] if directive in self.said else None

    @property
    def commands(self) -> list[str]:
        """Return the command lines of a `sh` block: continued ones joined, without comments."""
        joined = re.sub(r'\\\n\s*', '', self.text)
        lines = [line.strip() for line in joined.splitlines()]
        return [line for line in lines if line and not line.startswith('#')]

    @property
    def tested(self) -> list[str]:
        """Return the command lines with what the page says to replace for the test."""
        lines = '\n'.join(self.commands)
        for old, new in self.said.get('replace', []):
            assert old in lines, f'{self.where}: replaces {old!r}, which is not there'
            lines = lines.replace(old, new)
        return lines.splitlines()


@dataclass
class Page:
    """A Markdown page."""

    path: Path
    text: str
    blocks: list[Block]
    given: list[str]

    @property
    def name(self) -> str:
        """Return its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @property
    def starts_nodes(self) -> bool:
        """Return whether its blocks start ROS nodes."""
        lines = [
            shlex.split(line, comments=True)
            for block in self.blocks
            if block.language == 'sh' and 'skip' not in block.said
            for line in block.commands
        ]
        return any(w[:2] in (['gr00t', verb] for verb in ('up', 'record', 'sim')) for w in lines)


def pages() -> list[Page]:
    """Read the README, those of the packages and every page of docs/."""
    packages = (path.with_name('README.md') for path in ROOT.glob('*/package.xml'))
    found = [ROOT / 'README.md', *sorted(packages), *sorted((ROOT / 'docs').rglob('*.md'))]
    return list(map(read, found))


def read(path: Path) -> Page:
    """Read a page.

    Raises:
        AssertionError: A fence is left open, a language misspelt, a comment not understood.
    """
    text = path.read_text(encoding='utf-8')
    page = Page(path, text, [], [])
    said: dict[str, list[tuple[str, ...]]] = {}
    block: Block | None = None
    indent, lines = '', list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        where = f'{path.relative_to(ROOT)}:{number}'
        fence, comment = _FENCE.match(line), _COMMENT.match(line)
        if block is not None:
            if fence and not fence[2]:
                block.text = '\n'.join(each.removeprefix(indent) for each in lines)
                page.blocks.append(block)
                block = None
            else:
                lines.append(line)
        elif fence:
            assert fence[2] not in MISSPELT, f'{where}: write {MISSPELT[fence[2]]}'
            block, indent, lines = Block(where, fence[2], '', said), fence[1], []
            said = {}
        elif comment:
            name, values = _directive(comment[1], where)
            if name == 'given':
                page.given += values[0].split()
            else:
                said.setdefault(name, []).append(values)
        else:
            assert not said, f'{where}: the comment above belongs right above a block'
    assert block is None, f'{path}: {block and block.where} is not closed'
    return page


def _directive(text: str, where: str) -> tuple[str, tuple[str, ...]]:
    for name, form in FORMS.items():
        if match := form.fullmatch(text):
            return name, match.groups()
    raise AssertionError(f'{where}: {text!r} is not understood; allowed: {", ".join(FORMS)}')
