"""`python -m grokjax.cli`: the command `grokjax`, where its script is not on the path."""

from grokjax.cli.main import console_script

if __name__ == "__main__":
    console_script()
