# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run `gr00t completion bash|zsh`: print the script with which a shell completes `gr00t`."""

import sys

from gr00t_core.commands.main import USAGE_ERROR, verbs

# Verbs are complete at once. Options come from a verb's --help, asked once by a shell. Behind them
# the shell completes files, for most values are paths.
SCRIPT = """\
_gr00t() {
  local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]}
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "VERBS" -- "$word"))
  elif [[ $word == -* ]]; then
    local cache=_gr00t_options_${verb//-/_} asked
    if [ -z "${!cache:-}" ]; then
      asked=$(gr00t "$verb" --help 2>/dev/null | grep -oE -- '--[a-z][a-z0-9-]*' | sort -u)
      printf -v "$cache" '%s' "$asked"
    fi
    COMPREPLY=($(compgen -W "${!cache}" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _gr00t gr00t
"""
ZSH = 'autoload -U +X bashcompinit && bashcompinit\n'


def main(argv: list[str]) -> int:
    """Print the script that completes verbs and options: eval "$(gr00t completion bash)"."""
    if argv not in (['bash'], ['zsh']):
        print('usage: gr00t completion bash|zsh', file=sys.stderr)
        print('in ~/.bashrc: eval "$(gr00t completion bash)"', file=sys.stderr)
        return 0 if argv[:1] in (['-h'], ['--help']) else USAGE_ERROR
    script = SCRIPT.replace('VERBS', ' '.join(verbs()))
    if argv == ['zsh']:
        # zsh expands a name that is in a variable in another way.
        script = ZSH + script.replace('${!cache:-}', '${(P)cache}').replace(
            '${!cache}', '${(P)cache}'
        )
    print(script, end='')
    return 0
