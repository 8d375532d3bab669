"""The command `grokjax sweep`: flags, progress and tables over `grokjax.runner`."""
