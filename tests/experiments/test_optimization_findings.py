"""Every experiment of its theme at a tiny size; a file of its own, so that the test workers share them."""

import pytest
import smallest


@pytest.mark.parametrize("name", smallest.of("optimization"))
def test_an_experiment_runs_to_its_finding(name, tmp_path, capsys, one_device):
    smallest.run(name, tmp_path, capsys)
