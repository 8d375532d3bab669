"""What the experiments' tests share."""

import jax
import pytest


@pytest.fixture
def one_device(monkeypatch):
    """Every program is compiled once and not for each device."""
    every = jax.devices
    monkeypatch.setattr(jax, "devices", lambda *backend: every(*backend)[:1])
