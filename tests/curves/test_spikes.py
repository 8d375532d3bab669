import numpy as np
import pytest

from grokjax.curves import spikes

PLANTED = (300, 700, 905)


def curve(seed, *, level=0.05, at=PLANTED, noise=0.05):
    random = np.random.default_rng(seed)
    logs = np.log(level) + noise * random.standard_normal(1200)
    for start in at:
        logs[start : start + 40] += 3 * np.exp(-np.arange(40) / 8)
    return np.exp(logs)


@pytest.mark.parametrize("seed", range(4))
def test_planted_spikes_are_found_where_they_are(seed):
    found = spikes.find(curve(seed))
    assert [spike.start for spike in found] == list(PLANTED)
    for spike in found:
        assert spike.start <= spike.peak < spike.start + 3 and 10 < spike.stop - spike.start < 40
        assert spike.level == pytest.approx(0.05, rel=0.1) and spike.height == pytest.approx(
            0.05 * (np.e**3 - 1), rel=0.2
        )


def test_noise_descents_steps_and_rises_are_no_spikes():
    random = np.random.default_rng(5)
    noise = np.exp(0.1 * random.standard_normal(3000))
    descent = 2.3 * np.exp(-np.arange(3000) / 300)
    assert spikes.find(noise) == [] == spikes.find(descent * noise)
    assert spikes.find(np.where(np.arange(3000) < 1500, 2.3, 0.7) * noise) == []
    assert spikes.find(np.where(np.arange(3000) < 1500, 0.1, 1.0) * noise) == []


def test_a_curve_ends_where_it_diverges_and_bad_ones_are_refused():
    values = curve(0)
    values[800:] = np.nan
    assert [spike.start for spike in spikes.find(values)] == [300, 700]
    with pytest.raises(ValueError, match="must be"):
        spikes.find(np.ones((3, 4)))


def test_the_tensor_that_leaves_first_is_first_and_a_quiet_one_is_not_named():
    random = np.random.default_rng(1)
    norms = {name: np.exp(0.1 * random.standard_normal(600)) for name in ("W_E", "W_Q", "W_U", "W_O")}
    norms["W_Q"][370:] *= 4
    norms["W_U"][390:] *= 30
    norms["W_E"][395:] /= 5
    found = spikes.exits(norms, spikes.Spike(400, 403, 430, 0.05, 1.0))
    assert [(exit.name, exit.step, exit.lead) for exit in found] == [
        ("W_Q", 370, 30),
        ("W_U", 390, 10),
        ("W_E", 395, 5),
    ]
    assert all(exit.deviations > 5 for exit in found)
    with pytest.raises(ValueError, match="less than 8 steps"):
        spikes.exits(norms, spikes.Spike(52, 60, 70, 0.05, 1.0))


def test_lead_lag_peaks_where_one_follows_the_other():
    x = np.exp(np.cumsum(np.random.default_rng(2).standard_normal(400)))
    y = np.roll(x, 7) ** 2
    assert np.argmax(spikes.lead_lag(x, y)) == 20 + 7 and np.argmax(spikes.lead_lag(y, x)) == 20 - 7
    with pytest.raises(ValueError, match="must have as many"):
        spikes.lead_lag(x, y[1:])
