"""Models of others as runs, and runs for the tools of others: no code of a file is ever run."""

from grokjax.interop.embedding_mlp import EmbeddingMLP as EmbeddingMLP
from grokjax.interop.flax_module import FlaxTransformer as FlaxTransformer
from grokjax.interop.lens import Exported as Exported
from grokjax.interop.lens import to_transformer_lens as to_transformer_lens
from grokjax.interop.lens import transformer_lens as transformer_lens
from grokjax.interop.released import group as group
from grokjax.interop.released import nanda as nanda
from grokjax.interop.released import pizza as pizza
from grokjax.interop.safetensors_file import load_safetensors as load_safetensors
from grokjax.interop.safetensors_file import save_safetensors as save_safetensors
from grokjax.interop.torch_file import Checkpoint as Checkpoint
from grokjax.interop.torch_file import load_torch as load_torch
