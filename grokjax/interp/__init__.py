"""Looking inside runs: every reader takes a `Run`, or arrays, and is written for one run.

Lift a reader over all runs with `grokjax.map_runs`, over saved epochs with `grokjax.map_epochs`.
"""

from grokjax.interp import ablation as ablation
from grokjax.interp import activations as activations
from grokjax.interp import addition as addition
from grokjax.interp import attention as attention
from grokjax.interp import attribution as attribution
from grokjax.interp import bayes as bayes
from grokjax.interp import circuits as circuits
from grokjax.interp import composition as composition
from grokjax.interp import confusion as confusion
from grokjax.interp import directions as directions
from grokjax.interp import edges as edges
from grokjax.interp import folding as folding
from grokjax.interp import fourier as fourier
from grokjax.interp import hand_wired as hand_wired
from grokjax.interp import lenses as lenses
from grokjax.interp import modular as modular
from grokjax.interp import number_line as number_line
from grokjax.interp import optimizer_statistics as optimizer_statistics
from grokjax.interp import patching as patching
from grokjax.interp import pca as pca
from grokjax.interp import permutation as permutation
from grokjax.interp import probes as probes
from grokjax.interp import pruning as pruning
from grokjax.interp import similarity as similarity
from grokjax.interp import steering as steering
from grokjax.interp.bayes import langevin as langevin
from grokjax.interp.bayes import llc as llc
