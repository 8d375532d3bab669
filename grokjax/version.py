"""The version of grokjax, where every floor can read it, also in a checkout that is not installed."""

__version__ = "0.1.0"
