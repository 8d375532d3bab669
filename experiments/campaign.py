"""Can every answer be measured again? Run the experiments behind the findings, the cheap ones first.

    python -m experiments.campaign --size cpu
    python -m experiments.campaign --only 001-62,003-26

--size smoke runs each at a tiny size (minutes), cpu at the published one (hours on two cores), gpu at the
notes' size where that is larger. Each runs in a process of its own, in runs/campaign/SIZE/NAME; sweeps that
several experiments share are trained once. A finding that is there is not measured again: the same command
does only what is missing, and an experiment that was stopped goes on from its last saved epoch. --again
measures what is there once more. --publish puts findings of the size cpu into docs/findings.

Then every number is compared with the published one: is it within the published interval?
Time: the sum of the experiments' own; --dry_run shows them.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from absl import flags

from experiments.frame import plan, result, study
from experiments.frame.plan import Planned

ROOT = pathlib.Path("runs/campaign")


def main(argv: Sequence[str]) -> int:
    """Runs what is missing; the exit status, 1 where an experiment failed."""
    if {"-h", "--help", "-help", "--helpfull"} & set(argv):
        print(__doc__)
        return 0
    given = flags.FlagValues()
    flags.DEFINE_string("size", "cpu", "", flag_values=given)
    flags.DEFINE_string("only", "", "", flag_values=given)
    flags.DEFINE_string("runs", str(ROOT), "", flag_values=given)
    for name in ("again", "publish", "dry_run"):
        flags.DEFINE_bool(name, False, "", flag_values=given)
    try:
        rest = given(["campaign", *argv])[1:]
        if rest:
            raise ValueError(f"{rest[0]!r} belongs to no flag: write --flag=value")
        if given.size not in plan.SIZES:
            raise ValueError(f"--size={given.size!r} must be one of {', '.join(plan.SIZES)}")
        if given.publish and given.size != "cpu":
            raise ValueError("--publish goes with --size=cpu: only the published size is published")
        planned = plan.chosen([id for id in given.only.split(",") if id])
    except (flags.Error, ValueError) as error:
        print(f"campaign: {error}", file=sys.stderr)
        return 2
    if given.dry_run:
        for one in planned:
            print(f"{one.minutes:5.1f} min  {one.name}  {' '.join(one.ids)}")
        print(f"{sum(one.minutes for one in planned):5.0f} min in all, on two cores at the size cpu")
        return 0
    return run(planned, given.size, pathlib.Path(given.runs), given.again, given.publish)


def run(
    planned: Sequence[Planned],
    size: str,
    runs: pathlib.Path,
    again: bool = False,
    publish: bool = False,
    process: Callable[[list[str], pathlib.Path], int] | None = None,
) -> int:
    """Runs the experiments one after another, a line for each; the exit status."""
    process, failed, took, done = process or one_process, [], 0.0, 0.0
    found = runs / size / "findings"
    found.mkdir(parents=True, exist_ok=True)
    for place, one in enumerate(planned):
        path = found / f"{one.short}.json"
        settings = plan.settings(one.module, size)
        argv = plan.flags(settings, one.module.DEFAULTS)
        said = f"[{place + 1} of {len(planned)}] {one.name} ({', '.join(one.ids)})"
        if path.exists() and not again and same_settings(path, argv):
            print(f"{said}: there already; {compared(path, one.short)}")
            continue
        print(f"{said}: about {words(plan.left([one], took, done))}", flush=True)
        begun = time.monotonic()
        status = process(
            [f"experiments.{one.name}", *argv, f"--runs={runs / size / one.short}", f"--output={found}"],
            found / f"{one.short}.log",
        )
        if status:
            print(f"    failed ({status}): {found / one.short}.log says why; the same command tries it again")
            failed.append(one.name)
        else:
            took, done = took + (time.monotonic() - begun) / 60, done + one.minutes
            print(
                f"    {compared(path, one.short)}; {words(plan.left(planned[place + 1 :], took, done))} left"
            )
            if publish:
                published(path)
    print(f"{len(planned) - len(failed)} of {len(planned)} experiments are there, in {found}")
    return 1 if failed else 0


def one_process(argv: list[str], log: pathlib.Path) -> int:
    """Runs a module in a process of its own, its output in a file; the exit status."""
    with log.open("w") as file:
        return subprocess.run([sys.executable, "-m", *argv], stdout=file, stderr=file, check=False).returncode


def same_settings(path: pathlib.Path, argv: Sequence[str]) -> bool:
    """Whether a finding was measured with these flags."""
    return set(json.loads(path.read_text())["command"].split()[3:]) == set(argv)


def compared(path: pathlib.Path, short: str) -> str:
    """How many numbers of a finding lie within the published intervals, and which verdicts are others."""
    if not path.exists():
        return "no finding was written"
    published = study.PUBLISHED / path.name
    new = {answer["id"]: answer for answer in json.loads(path.read_text())["answers"]}
    if not published.exists():
        return f"{len(new)} answers, none of them published yet"
    old = {answer["id"]: answer for answer in json.loads(published.read_text())["answers"]}
    within, numbers = 0, 0
    for id in set(old) & set(new):
        if "rows" in old[id] and "rows" in new[id]:
            before, now = result.read(old[id]).rows, result.read(new[id]).rows
            for name in set(before) & set(now):
                value, low, high = now[name].value, before[name].low, before[name].high
                if value is not None and low is not None and high is not None:
                    numbers, within = numbers + 1, within + (low <= value <= high)
    kind = lambda answer: answer["verdict"].partition(":")[0]
    others = [
        f"{id} {kind(new[id])}, published {kind(old[id])}"
        for id in sorted(set(old) & set(new))
        if kind(new[id]) != kind(old[id])
    ]
    verdicts = f"other verdicts: {'; '.join(others)}" if others else "the same verdicts"
    return f"{within} of {numbers} numbers within the published intervals, {verdicts}"


def published(path: pathlib.Path) -> None:
    """Puts a finding and its picture where the page is built from."""
    for suffix in (".json", ".png"):
        shutil.copyfile(path.with_suffix(suffix), study.PUBLISHED / f"{path.stem}{suffix}")


def words(minutes: float) -> str:
    """Minutes in words: `40 s`, `12 min`, `3 h 20 min`."""
    if minutes < 1:
        return f"{60 * minutes:.0f} s"
    hours, rest = divmod(round(minutes), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
