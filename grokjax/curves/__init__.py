"""Curves over training: loss shelves (plateaus), change points, spikes, survival. Arrays in, no transformer."""

from grokjax.curves import shelves as shelves
from grokjax.curves import spikes as spikes
from grokjax.curves import statistics as statistics
from grokjax.curves import synthetic as synthetic
