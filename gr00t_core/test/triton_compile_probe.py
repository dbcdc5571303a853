# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compile the DiT's Triton kernels for GPUs that are not here, and print what came out, as JSON.

Usage: triton_compile_probe.py ARCHITECTURE...    e.g. 80 90

The launches of a block of N1.5-3B, for 90 those of N1.7-3B and all tiles of `tiles` too, in
bfloat16. Resources are read from the machine code by cuobjdump, which Triton's wheel brings along
with ptxas.
"""

import json
from pathlib import Path
import re
import subprocess
import sys
import tempfile

try:
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource
    import triton.language as tl
except ImportError as error:
    sys.exit(f'no Triton here: {error}')

from gr00t_core.models.folded.dit_kernels import kernels, operations, tiles

WIDTH, HIDDEN, HEADS = 1536, 6144, 32
TOKENS = {'n1_5': (49, 16), 'n1_7': (41, 40)}  # of the sequence, and kept by the last block
TOOLS = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin'
POINTERS = {'statistics': '*fp32', 'partial': '*fp32', 'arrived': '*i32', 'mask': '*u8'}
NUMBERS = ('rows', 'tokens', 'query_sample', 'query_row', 'key_sample', 'key_row')
# From this compute capability on a kernel may be launched while the one before still runs.
DEPENDENT_FROM = 90


def products(family, every_tile):
    """Yield the launches of the products: name, constants, tile."""
    tokens, kept = TOKENS[family]
    # Of the statistics that the products leave: one part for each program of a row.
    late, early = (WIDTH // tiles.ADDED[inputs, WIDTH].columns for inputs in (HIDDEN, WIDTH))
    normed = (
        # Outputs, kept, parts of the statistics, modulated, GELU.
        (WIDTH, tokens, 0, True, False),
        (WIDTH, tokens, late, True, False),
        (3 * WIDTH, tokens, late, True, False),
        (HIDDEN, tokens, early, False, True),
        (HIDDEN, kept, early, False, True),
    )
    for outputs, here, parts, modulated, gelu in normed:
        shape = (WIDTH, outputs)
        for tile in (tiles.NORMED[shape], *(tiles.OTHER_NORMED[shape] if every_tile else ())):
            constants = {'TOKENS': tokens, 'KEPT': here, 'WIDTH': WIDTH, 'OUTPUTS': outputs}
            constants |= {'PARTS': parts, 'ROOM': operations.room(parts)}
            constants |= {'MODULATED': modulated, 'GELU': gelu, 'EPS': operations.EPS}
            yield 'normed_product', constants, tile
    for inputs, here in ((WIDTH, tokens), (HIDDEN, tokens), (HIDDEN, kept)):
        shape = (inputs, WIDTH)
        for tile in (tiles.ADDED[shape], *(tiles.OTHER_ADDED[shape] if every_tile else ())):
            constants = {'TOKENS': here, 'KEPT': here, 'INPUTS': inputs, 'WIDTH': WIDTH}
            yield 'added_product', constants | {'SPLIT': tile.split}, tile


def attentions(family):
    """Yield the launches of the attention: name, constants, no tile."""
    tokens, kept = TOKENS[family]
    head = WIDTH // HEADS
    for here, masked in ((tokens, family == 'n1_7'), (kept, False)):
        constants = {'FIRST': tokens - here, 'KEPT': here, 'HEADS': HEADS, 'HEAD': head}
        constants |= {'ROOM': operations.room(head), 'SCALE': head**-0.5, 'MASKED': masked}
        constants |= {'ROWS': operations.QUERY_ROWS, 'KEYS': operations.KEYS}
        yield 'attention', constants, None


def launches(architecture):
    """Yield what is compiled: on Hopper all, elsewhere N1.5 with the tiles that are used."""
    hopper = architecture == 90
    for family in ('n1_5', 'n1_7') if hopper else ('n1_5',):
        yield from attentions(family)
        yield from products(family, every_tile=hopper and family == 'n1_5')


def compiled(name, constants, tile, architecture):
    """Compile one launch; return its resources."""
    kernel = getattr(kernels, name)
    dependent = architecture >= DEPENDENT_FROM
    constants = constants | {'MULTIPLIED': tl.bfloat16, 'DEPENDENT': dependent}
    options = {
        'num_warps': operations.ATTENTION_WARPS,
        'num_stages': operations.ATTENTION_STAGES,
    }
    if tile is not None:
        constants |= {'ROWS': tile.rows, 'COLUMNS': tile.columns, 'DEPTH': tile.depth}
        options = {'num_warps': tile.warps, 'num_stages': tile.stages}
    if dependent:
        options['launch_pdl'] = True
    names = kernel.arg_names
    signature = {
        each: 'constexpr'
        if each in constants
        else 'i32'
        if each in NUMBERS
        else POINTERS.get(each, '*bf16')
        for each in names
    }
    # As for the real tensors: addresses are multiples of 16 bytes, strides of 16 values.
    even = [
        place
        for place, each in enumerate(names)
        if signature[each].startswith('*') or each.endswith(('_row', '_sample'))
    ]
    made = triton.compile(
        ASTSource(
            fn=kernel,
            signature=signature,
            constexprs=constants,
            attrs={(place,): [['tt.divisibility', 16]] for place in even},
        ),
        target=GPUTarget('cuda', architecture, 32),
        options=options,
    )
    return {
        'kernel': name,
        'architecture': architecture,
        'constants': {key: str(value) for key, value in constants.items()},
        'default': tile is None or tile in (*tiles.NORMED.values(), *tiles.ADDED.values()),
        'shared': made.metadata.shared,
        **resources(made.asm['cubin']),
        **instructions(made.asm['ptx']),
    }


def resources(cubin):
    """Return registers per thread, and bytes per thread that did not fit into them."""
    with tempfile.NamedTemporaryFile(suffix='.cubin') as file:
        file.write(cubin)
        file.flush()
        command = [TOOLS / 'cuobjdump', '--dump-resource-usage', file.name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {key: int(value) for key, value in re.findall(r'(REG|STACK|LOCAL):(\d+)', said)}
    return {'registers': found['REG'], 'spilled': found['STACK'] + found['LOCAL']}


def instructions(ptx):
    """Return what the tests read from the code: tensor cores, and what comes before the wait."""
    before, wait, _ = ptx.partition('griddepcontrol.wait')
    memory = re.compile(r'^\s*(?:@\S+\s+)?((?:ld|st|atom|red)\.global\S*|cp\.async\.c\S*)', re.M)
    return {
        'tensor cores': len(re.findall(r'wgmma\.mma_async|tcgen05\.mma|mma\.sync', ptx)),
        'waits': bool(wait),
        'launches dependents': 'griddepcontrol.launch_dependents' in ptx,
        'prefetches': before.count('prefetch.global.L2') if wait else 0,
        'memory before the wait': memory.findall(before) if wait else [],
        'memory accesses': len(memory.findall(ptx)),
        'atomics': len(re.findall(r'\batom\S*global\S*', ptx)),
    }


def main():
    for architecture in map(int, sys.argv[1:]):
        for launch in launches(architecture):
            print(json.dumps(compiled(*launch, architecture)), flush=True)


if __name__ == '__main__':
    main()
