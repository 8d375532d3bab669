"""Readers for tasks with digits and carries; each function is written for one run."""

from grokjax.interp.addition import answer_distribution as answer_distribution
from grokjax.interp.addition import attention as attention
from grokjax.interp.addition import carry_edits as carry_edits
from grokjax.interp.addition import carry_free as carry_free
from grokjax.interp.addition import carry_odds as carry_odds
from grokjax.interp.addition import digit_pair as digit_pair
from grokjax.interp.addition import evaluation_sets as evaluation_sets
from grokjax.interp.addition import features as features
from grokjax.interp.addition import length_generalization as length_generalization
from grokjax.interp.addition import loss_decomposition as loss_decomposition
from grokjax.interp.addition import predictions as predictions
