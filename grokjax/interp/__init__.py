"""Looking inside the runs; each module's functions are written for one run."""
from grokjax.interp import ablation as ablation
from grokjax.interp import activations as activations
from grokjax.interp import attention as attention
from grokjax.interp import carry_odds as carry_odds
from grokjax.interp import confusion as confusion
from grokjax.interp import excess as excess
from grokjax.interp import joint as joint
from grokjax.interp import naive as naive
from grokjax.interp import planted as planted
from grokjax.interp import predictions as predictions
from grokjax.interp import problems as problems
from grokjax.interp import shelves as shelves
from grokjax.interp import spikes as spikes
from grokjax.interp import statistics as statistics
from grokjax.interp import trend as trend
from grokjax.interp import updates as updates
from grokjax.interp import windows as windows
