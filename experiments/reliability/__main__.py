"""`python -m experiments.reliability`: see the package."""

import pathlib
import shutil
import sys
import tempfile
from collections.abc import Sequence

from absl import flags

import experiments.reliability
from experiments.reliability import campaign, page
from grokjax.cli import machine
from grokjax.cli.values import UsageError, writable

NAMES = [section.name for section in campaign.SECTIONS]


def main(argv: Sequence[str]) -> int:
    """Runs the campaign; the exit status: 1 if anything went wrong, 2 for a user's mistake."""
    if {"-h", "--help"} & set(argv):
        print(experiments.reliability.__doc__)
        return 0
    if list(argv) == ["--page"]:
        page.PAGE.write_text(page.built(page.PAGE.read_text(), campaign.read(page.NUMBERS)))
        return 0
    registry = flags.FlagValues()
    for name, default in (("json", None), ("only", ",".join(NAMES)), ("size", "full"), ("folder", None)):
        flags.DEFINE_string(name, default, "", flag_values=registry)
    try:
        if rest := registry(["reliability", *argv])[1:]:
            raise UsageError(f"{rest[0]!r} belongs to no flag: write --flag=value")
        names = registry.only.split(",")
        if unknown := sorted(set(names) - set(NAMES)):
            raise UsageError(f"--only={unknown[0]} must be of {', '.join(NAMES)}")
        if registry.size not in campaign.SIZES:
            raise UsageError(f"--size={registry.size!r} must be one of {', '.join(campaign.SIZES)}")
        file = writable("json", registry.json)
        campaign.read(file)  # refused before anything is measured
    except (flags.Error, ValueError) as error:
        print(
            f"reliability: {str(error).strip()}; the flags are --json, --only, --size, --folder, --page",
            file=sys.stderr,
        )
        return 2
    machine.set_up()
    folder = pathlib.Path(registry.folder or tempfile.mkdtemp(prefix="grokjax-reliability-"))
    try:
        measured = campaign.run(names, registry.size, folder, file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    failures = [f"{name}: {failure}" for name in names for failure in measured[name]["failures"]]
    for name in names:
        print(f"{name}: {[(key, value) for key, value in measured[name].items() if key != 'failures']}")
    print("\n".join(failures) or "nothing went wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
