"""The transformer: parameters are a nested dict, the model is plain functions over it."""

from grokjax.model.initializers import init as init
from grokjax.model.initializers import shapes as shapes
from grokjax.model.transformer import forward as forward
