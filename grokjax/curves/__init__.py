"""Curves over training: arrays in, no transformer.

- `shelves`: loss plateaus. `detector` is how they are found, `synthetic` and `scoring` what it is held to.
- `spikes`: bursts of the loss, and what left its band first.
- `grokking`: when runs memorise and generalise, where they end.
- `statistics`: intervals and tests over runs, times that some runs never reach, curves aligned at exits.
"""

from grokjax.curves import grokking as grokking
from grokjax.curves import scoring as scoring
from grokjax.curves import shelves as shelves
from grokjax.curves import spikes as spikes
from grokjax.curves import statistics as statistics
from grokjax.curves import synthetic as synthetic
from grokjax.curves import synthetic_mixture as synthetic_mixture
