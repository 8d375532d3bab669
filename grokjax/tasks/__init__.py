"""Tasks: frozen dataclasses that draw batches of tokens and labels from a key, or lay out a finite table."""

from grokjax.tasks.addition import Addition as Addition
from grokjax.tasks.addition import DigitwiseAddition as DigitwiseAddition
from grokjax.tasks.decoding import Decoded as Decoded
from grokjax.tasks.decoding import decode as decode
from grokjax.tasks.modular import ModularAddition as ModularAddition
from grokjax.tasks.sampling import cascade as cascade
from grokjax.tasks.sampling import stratified as stratified
from grokjax.tasks.sequences import Induction as Induction
from grokjax.tasks.sequences import SkipTrigram as SkipTrigram
from grokjax.tasks.tables import split as split
from grokjax.tasks.vocabulary import Batch as Batch
from grokjax.tasks.vocabulary import digits as digits
from grokjax.tasks.vocabulary import shape as shape
