"""Statistics over runs: intervals, survival, crossings, comparisons, curves aligned at each run's exit."""

from grokjax.curves.statistics.alignment import Aligned as Aligned
from grokjax.curves.statistics.alignment import aligned as aligned
from grokjax.curves.statistics.comparisons import Test as Test
from grokjax.curves.statistics.comparisons import holm as holm
from grokjax.curves.statistics.comparisons import paired as paired
from grokjax.curves.statistics.comparisons import paired_ranks as paired_ranks
from grokjax.curves.statistics.crossings import first_below as first_below
from grokjax.curves.statistics.crossings import until_below as until_below
from grokjax.curves.statistics.intervals import Interval as Interval
from grokjax.curves.statistics.intervals import bootstrap as bootstrap
from grokjax.curves.statistics.intervals import coefficients as coefficients
from grokjax.curves.statistics.intervals import mean as mean
from grokjax.curves.statistics.intervals import quantile as quantile
from grokjax.curves.statistics.intervals import wilson as wilson
from grokjax.curves.statistics.separations import auc as auc
from grokjax.curves.statistics.sets import common_share as common_share
from grokjax.curves.statistics.sets import common_share_by_chance as common_share_by_chance
from grokjax.curves.statistics.shelf_summary import Summary as Summary
from grokjax.curves.statistics.shelf_summary import at_level as at_level
from grokjax.curves.statistics.shelf_summary import summarise as summarise
from grokjax.curves.statistics.survival import Survival as Survival
from grokjax.curves.statistics.survival import Times as Times
from grokjax.curves.statistics.survival import hazard_ratio as hazard_ratio
from grokjax.curves.statistics.survival import log_rank as log_rank
from grokjax.curves.statistics.survival import median as median
from grokjax.curves.statistics.survival import survival as survival
