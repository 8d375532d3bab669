"""Pictures: every function takes arrays (or a sweep) and returns a `Plot`, a figure with its numbers.

A notebook shows a plot; `plot.save("figures/losses")` writes PNG, SVG and CSV; `plot.figure` is
matplotlib's own.
"""

from grokjax.figures.beneath import beneath as beneath
from grokjax.figures.confusion import confusion as confusion
from grokjax.figures.confusion import confusion_animation as confusion_animation
from grokjax.figures.cumulative import cumulative as cumulative
from grokjax.figures.curves import losses as losses
from grokjax.figures.distributions import level_histogram as level_histogram
from grokjax.figures.distributions import survival as survival
from grokjax.figures.generalization import train_test as train_test
from grokjax.figures.maps import heatmap as heatmap
from grokjax.figures.matrices import matrices as matrices
from grokjax.figures.orbits import orbits as orbits
from grokjax.figures.orbits import orbits_animation as orbits_animation
from grokjax.figures.plot import Plot as Plot
from grokjax.figures.points import Points as Points
from grokjax.figures.points import points as points
from grokjax.figures.stretches import shelf_map as shelf_map
from grokjax.figures.stretches import shelves as shelves
from grokjax.figures.times import times as times
