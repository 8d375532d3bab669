"""Two sweeps side by side: shelves, times and final losses, with intervals and tests.

- `sides`: what is compared, and whether it can be;  `measures`: a number or a time of each run
- `rows`: measures of both sides with their test;  `compare`: all of them, and how they are shown
"""

from grokjax.comparison.compare import Comparison as Comparison
from grokjax.comparison.compare import compare as compare
from grokjax.comparison.rows import Row as Row

__all__ = ["Comparison", "Row", "compare"]
