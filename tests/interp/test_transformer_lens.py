"""Our models and readers against TransformerLens itself: the same random weights in both.

Needs the extra `peers`.
"""

import dataclasses
import functools
import warnings
from importlib import metadata

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import random

import grokjax as gj
from grokjax.interp import activations, attention, attribution, circuits, composition, folding

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # those of its own dependencies
    lens = pytest.importorskip(
        "transformer_lens", reason="TransformerLens is not installed: it is in the extra `peers`"
    )
    import torch
    from transformer_lens import head_detector

pytestmark = pytest.mark.filterwarnings("ignore")
TASK = gj.Addition(num_digits=2, batch_size=5)
CONFIG = gj.ModelConfig.of(TASK, d_model=12, num_heads=3, d_mlp=7)
VARIANTS = {
    "1 layer": dict(num_layers=1),
    "2 layers": dict(num_layers=2),
    "1 layer, norm": dict(num_layers=1, layer_norm=True),
    "2 layers, norm": dict(num_layers=2, layer_norm=True),
    "2 layers, no mlp": dict(num_layers=2, mlp=False),
    "2 layers, norm, gelu": dict(num_layers=2, layer_norm=True, activation="gelu", unembed_bias=True),
}
TOKENS = TASK.batch(random.key(1)).tokens
close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-5)


def hooked(config, normalization):
    """A HookedTransformer of this size."""
    settings = lens.HookedTransformerConfig(
        n_layers=config.num_layers,
        d_model=config.d_model,
        n_ctx=config.num_positions,
        d_head=config.head_width,
        n_heads=config.num_heads,
        d_mlp=config.mlp_width,
        d_vocab=config.vocabulary,
        d_vocab_out=config.num_outputs,
        act_fn=config.activation,
        attn_only=not config.mlp,
        normalization_type=normalization,
        eps=1e-5,
        use_attn_result=True,
        device="cpu",
    )
    return lens.HookedTransformer(settings, move_to_device=False)


def folded(config, model):
    """The same model with its layer norms folded into the weights that follow, as when they load one."""
    found = hooked(config, "LNPre" if config.layer_norm else None)
    found.load_and_process_state_dict(
        model.state_dict(),
        fold_ln=config.layer_norm,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    return found


def theirs(config, params):
    """The HookedTransformer with these weights."""
    model = hooked(config, "LN" if config.layer_norm else None)
    weights = {
        "embed.W_E": params["W_E"],
        "pos_embed.W_pos": params["W_pos"],
        "unembed.W_U": params["W_U"],
        "unembed.b_U": params.get("b_U", jnp.zeros(config.num_outputs)),
    }
    norms = {"ln_final": params.get("ln_final")}
    for layer, p in enumerate(params["blocks"]):
        weights |= {
            f"blocks.{layer}.attn.{name}": jnp.moveaxis(p[name], 1, 0) for name in ("W_Q", "W_K", "W_V")
        }
        weights |= {f"blocks.{layer}.attn.W_O": p["W_O"]}
        weights |= {
            f"blocks.{layer}.mlp.{name}": p[name] for name in ("W_in", "b_in", "W_out", "b_out") if name in p
        }
        norms |= {f"blocks.{layer}.{name}": p.get(name) for name in ("ln1", "ln2")}
    weights |= {
        f"{name}.{which}": value for name, norm in norms.items() for which, value in (norm or {}).items()
    }
    state = model.state_dict()
    state |= {
        name: torch.zeros_like(tensor)
        for name, tensor in state.items()
        if name.rpartition(".")[2].startswith("b_")
    }
    assert set(weights) <= set(state)
    model.load_state_dict(state | {name: tensor(value) for name, value in weights.items()})
    return model


BEFORE_GAIN = int(metadata.version("transformer_lens").split(".")[0]) >= 3
"""Whether their `hook_normalized` is what a layer norm has before its gain and bias: since version 3."""


def tensor(x):
    return torch.tensor(np.asarray(x))


@pytest.fixture(scope="module", params=VARIANTS)
def both(request):
    """Our run, its logits and cache, and their model, logits and caches.

    Their first cache is that of the same weights; for the second their model folds the layer norms into the
    weights that follow, as its users do.
    """
    config = dataclasses.replace(CONFIG, **VARIANTS[request.param])
    noise = lambda leaf: leaf + 0.2 * random.normal(random.key(leaf.size), leaf.shape)
    run = gj.Run(TASK, config, jax.tree.map(noise, gj.model.init(config, random.key(0))))
    with torch.no_grad():
        model = theirs(config, run.params)
        logits, as_it_is = model.run_with_cache(tensor(TOKENS))
        model = folded(config, model)
        cache = model.run_with_cache(tensor(TOKENS))[1]
        yield run, jax.jit(gj.Run.run_with_cache)(run, TOKENS), model, (logits, as_it_is, cache)


def test_logits_and_every_activation(both):
    """Also what layer norms divide by, and what they give after gain and bias, as in TransformerLens 2."""
    run, (logits, ours), _, (their_logits, cache, _) = both
    close(logits, their_logits)
    weights = gj.trees.named_leaves(run.params)
    for name, value in ours.items():
        prefix, dot, last = name.rpartition(".")
        found = cache[f"{prefix}{dot}hook_{last}"].numpy()
        if last == "normalized" and BEFORE_GAIN:
            found = found * weights[f"{prefix}.w"] + weights[f"{prefix}.b"]
        close(value, np.broadcast_to(found, value.shape), err_msg=name)
    assert set(ours) == set(activations.names(run))


def test_decompositions_and_their_labels(both):
    run, (_, ours), _, (_, _, cache) = both
    for incl_mid in (False, True)[: 1 + run.config.mlp]:
        stack, labels = cache.accumulated_resid(incl_mid=incl_mid, return_labels=True)
        close(attribution.accumulated_resid(run, ours, incl_mid=incl_mid), stack)
        assert list(attribution.accumulated_labels(run, incl_mid=incl_mid)) == labels
    stack, labels = cache.decompose_resid(return_labels=True)
    close(attribution.decompose_resid(run, ours), stack)
    assert list(attribution.decompose_labels(run)) == labels
    stack, labels = cache.get_full_resid_decomposition(expand_neurons=False, return_labels=True)
    close(attribution.full_decomposition(run, ours), stack[:-1])
    assert [*attribution.full_labels(run), "bias"] == labels


def test_logit_attributions(both):
    """Over the mean of all symbols, which their version 3 takes off W_U when it folds, and 2 does not."""
    run, (_, ours), _, (_, _, cache) = both
    correct, incorrect = random.randint(random.key(3), (2, *TOKENS.shape), 0, 10)
    parts = attribution.full_decomposition(run, ours)
    stack = cache.get_full_resid_decomposition(expand_neurons=False)[:-1]
    to_symbol = lambda symbols: cache.logit_attrs(stack, tensor(symbols)).numpy()
    mean = sum(to_symbol(jnp.full_like(correct, symbol)) for symbol in range(10)) / 10
    close(
        attribution.logit_attrs(run, ours, parts, correct)
        - attribution.logits_of_parts(run, ours, parts).mean(-1),
        to_symbol(correct) - mean,
    )
    close(
        attribution.logit_attrs(run, ours, parts, correct, incorrect),
        cache.logit_attrs(stack, tensor(correct), tensor(incorrect)),
    )


def test_neurons(both):
    run, (_, ours), _, (_, _, cache) = both
    if not run.config.mlp:
        pytest.skip("this variant has no MLP")
    last = run.config.num_layers - 1
    expected = jnp.moveaxis(jnp.asarray(cache.get_neuron_results(last).numpy()), -2, 0)
    close(attribution.neuron_results(run, ours, last), expected)


@pytest.mark.parametrize("kind", attention.HeadScores._fields)
def test_head_detection(both, kind):
    """Theirs is of one text, and a share of all queries; ours of the queries that have a place to look at."""
    run, _, _, _ = both
    tokens = jnp.array([[3, 1, 4, 1, 5, 1, 4, 4]])[:, : TASK.num_positions]
    aims = getattr(head_detector, f"get_{kind}_head_detection_pattern")(tensor(tokens))
    cache, found = run.cache(tokens), getattr(attention.head_scores(run, tokens), kind)
    for layer, head in np.ndindex(*found.shape):
        theirs = head_detector.compute_head_attention_similarity_score(
            tensor(cache[f"blocks.{layer}.attn.pattern"][0, head]),
            aims,
            exclude_bos=False,
            exclude_current_token=False,
            error_measure="mul",
        )
        queries = int((aims.sum(1) > 0).sum())
        close(found[layer, head] * queries / tokens.shape[1], theirs)


@pytest.mark.parametrize("into", ["Q", "K", "V"])
def test_composition_scores(both, into):
    run, _, model, _ = both
    scores = model.all_composition_scores(into)
    close(composition.heads(run, into).score, getattr(scores, "scores", scores))


def test_singular_values_and_eigenvalues(both):
    """Theirs are of the folded weights, whose norms ours take along; their QK is not divided by sqrt(K)."""
    run, _, model, _ = both
    magnitudes = lambda x: np.sort(np.abs(np.asarray(x)))
    for layer in range(run.config.num_layers):
        close(circuits.ov_svd(run, layer).S, model.OV.S[layer], rtol=1e-4, atol=1e-4)
        close(circuits.qk_svd(run, layer).S * np.sqrt(run.config.head_width), model.QK.S[layer], atol=1e-4)
        found = circuits.ov_eigenvalues(run, layer, of="stream")
        close(magnitudes(found), magnitudes(model.OV.eigenvalues[layer]), rtol=1e-3, atol=1e-4)


def test_folded_weights(both):
    """Those that read the stream are theirs up to their mean over it, which a centred stream does not see."""
    run, _, model, _ = both
    centred = lambda x: np.asarray(x) - run.config.layer_norm * np.asarray(x).mean(0)
    folded = folding.fold_ln(run)
    for block, theirs_ in zip(folded.params["blocks"], model.blocks, strict=True):
        for name in ("W_Q", "W_K", "W_V"):
            close(centred(block[name]), centred(jnp.moveaxis(getattr(theirs_.attn, name).numpy(), 0, 1)))
        if run.config.mlp:
            close(centred(block["W_in"]), centred(theirs_.mlp.W_in.numpy()))
            close(block["b_in"], theirs_.mlp.b_in.numpy())
    outward = lambda W: centred(W) - centred(W).mean(1, keepdims=True)  # some versions centre W_U here
    close(outward(folded.params["W_U"]), outward(model.W_U.numpy()))
