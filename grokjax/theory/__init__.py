"""What can be known without training: exact loss levels, and what additive logits can reach. No model, no
data, no sampling.
"""

from grokjax.theory import answers as answers
from grokjax.theory import certificates as certificates
from grokjax.theory import columns as columns
from grokjax.theory import counts as counts
from grokjax.theory import experts as experts
from grokjax.theory import heads as heads
from grokjax.theory import levels as levels
from grokjax.theory import multisets as multisets
from grokjax.theory import sums as sums
from grokjax.theory import thresholds as thresholds
