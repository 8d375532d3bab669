"""Is nothing that finished lost, and nothing silently wrong? The campaign against a sweep.

    python -m experiments.reliability --json docs/reliability.json

kills, damages of files, drawn inputs, full and vanishing disks, other machines, numbers, memory, statistics:
each is a section with its counts and what went wrong. `--only=kills,damages` runs some of them and leaves
the others in FILE as they are; `--size=small` is what the tests run. docs/reliability.md quotes
the file: `--page` makes its tables anew.
"""
