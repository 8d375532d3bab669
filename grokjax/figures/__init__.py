"""Arrays in, matplotlib figures out; `save` writes a figure with its numbers. For each figure `NAME_data`
gives the numbers it draws.
"""

from grokjax.figures.confusion import confusion as confusion
from grokjax.figures.confusion import confusion_animation as confusion_animation
from grokjax.figures.confusion import confusion_data as confusion_data
from grokjax.figures.cumulative import cumulative as cumulative
from grokjax.figures.cumulative import cumulative_data as cumulative_data
from grokjax.figures.curves import losses as losses
from grokjax.figures.curves import losses_data as losses_data
from grokjax.figures.curves import train_test as train_test
from grokjax.figures.curves import train_test_data as train_test_data
from grokjax.figures.distributions import level_histogram as level_histogram
from grokjax.figures.distributions import level_histogram_data as level_histogram_data
from grokjax.figures.distributions import survival as survival
from grokjax.figures.distributions import survival_data as survival_data
from grokjax.figures.maps import heatmap as heatmap
from grokjax.figures.maps import heatmap_data as heatmap_data
from grokjax.figures.matrices import matrices as matrices
from grokjax.figures.matrices import matrices_data as matrices_data
from grokjax.figures.orbits import orbits as orbits
from grokjax.figures.orbits import orbits_animation as orbits_animation
from grokjax.figures.orbits import orbits_data as orbits_data
from grokjax.figures.points import Points as Points
from grokjax.figures.points import points as points
from grokjax.figures.points import points_data as points_data
from grokjax.figures.saving import save as save
from grokjax.figures.stretches import shelf_map as shelf_map
from grokjax.figures.stretches import shelf_map_data as shelf_map_data
from grokjax.figures.stretches import shelves as shelves
from grokjax.figures.stretches import shelves_data as shelves_data
