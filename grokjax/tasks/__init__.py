"""Tasks: frozen dataclasses that draw batches of tokens and labels from a key, or lay out a finite table."""

from grokjax.tasks.addition import Addition as Addition
from grokjax.tasks.addition import DigitwiseAddition as DigitwiseAddition
from grokjax.tasks.decoding import Decoded as Decoded
from grokjax.tasks.decoding import decode as decode
from grokjax.tasks.groups import GroupComposition as GroupComposition
from grokjax.tasks.modular import ModularArithmetic as ModularArithmetic
from grokjax.tasks.protocol import Task as Task
from grokjax.tasks.protocol import answer_digits as answer_digits
from grokjax.tasks.protocol import answer_positions as answer_positions
from grokjax.tasks.protocol import column_order as column_order
from grokjax.tasks.protocol import exact_levels as exact_levels
from grokjax.tasks.protocol import place_of_digit as place_of_digit
from grokjax.tasks.protocol import symbols_per_answer as symbols_per_answer
from grokjax.tasks.sampling import cascade as cascade
from grokjax.tasks.sampling import stratified as stratified
from grokjax.tasks.sequences import Induction as Induction
from grokjax.tasks.sequences import SkipTrigram as SkipTrigram
from grokjax.tasks.tables import noisy_labels as noisy_labels
from grokjax.tasks.tables import num_labels as num_labels
from grokjax.tasks.tables import split as split
from grokjax.tasks.tables import torch_split as torch_split
from grokjax.tasks.vocabulary import Batch as Batch
from grokjax.tasks.vocabulary import digits as digits
from grokjax.tasks.vocabulary import shape as shape
