"""Two sweeps side by side: shelves, times and final losses, with intervals and tests.

- `sides`: what is compared, and whether it can be;  `measures`: a number or a time of each run
- `rows`: measures of both sides with their test;  `sweeps`: all of them, as a table
"""

from grokjax.comparison.rows import Row as Row
from grokjax.comparison.sweeps import Comparison as Comparison
from grokjax.comparison.sweeps import compare as compare

__all__ = ["Comparison", "Row", "compare"]
