"""The local posterior around a run's weights: samplers, learning coefficients, and quadratics."""

from grokjax.interp.bayes import calibration as calibration
from grokjax.interp.bayes import chains as chains
from grokjax.interp.bayes import diagnostics as diagnostics
from grokjax.interp.bayes import hessian as hessian
from grokjax.interp.bayes import influence as influence
from grokjax.interp.bayes import langevin as langevin
from grokjax.interp.bayes import llc as llc
from grokjax.interp.bayes import masks as masks
