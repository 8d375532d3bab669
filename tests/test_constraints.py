"""constraints.txt pins every package that setup.cfg asks for, within its bounds; no user is capped."""

import configparser
import pathlib

from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).parents[1]


def asked(*extras):
    """What an installation with these extras asks for."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"]
    lines += "".join(setup["options.extras_require"][extra] for extra in extras)
    return [Requirement(line) for line in lines.splitlines() if line.strip()]


def pins():
    """The version of each package, by its name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_every_package_is_pinned_within_its_bounds():
    found = pins()
    for requirement in asked("test"):
        assert requirement.specifier.contains(found[requirement.name.lower()]), requirement


def test_no_user_is_capped():
    # what builds the documentation is capped, in the extras for those who build it
    users = asked("data", "tensorboard")
    assert all(bound.operator == ">=" for each in users for bound in each.specifier)


def test_pins_are_one_version_each():
    assert all(version and version[0].isdigit() for version in pins().values())
