"""One HTML file that shows a sweep: what was run, its tables, and its curves to look into.

The file is self-contained: it opens from the disk, loads nothing and sends nothing.

- `thinning`: hundreds of long curves as a few hundred points each, with what lies between them
- `contents`: what the page shows, as plain data;  `glossary`: what the names of levels mean
- `markup`: the data as HTML; `page.html`, `page.css`, `chart.js` and `page.js` are put together there
"""

from grokjax.runner.page.contents import Contents as Contents
from grokjax.runner.page.markup import page as page

__all__ = ["Contents", "page"]
