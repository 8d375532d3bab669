"""Readers for modular arithmetic and groups: progress measures, clock and pizza; each of one run."""

from grokjax.interp.modular import circles as circles
from grokjax.interp.modular import components as components
from grokjax.interp.modular import grid as grid
from grokjax.interp.modular import pizza as pizza
from grokjax.interp.modular import progress as progress
from grokjax.interp.modular import representations as representations
