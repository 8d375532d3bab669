"""Released models become runs: their logits and losses are those of the code that made them."""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch_files

import grokjax as gj
from grokjax import interop, tasks
from grokjax.interop import torch_file

PIZZA = pathlib.Path(__file__).parents[1] / "data" / "pizza"
TRANSFORMERS = ("2k4ohj6bhd", "4asyr7ht1p", "hpv2jgskwe", "l8k1hzciux", "n9n7h3p965", "p99zdpze5l")
RELEASED = {
    **{
        f"pizza_{name}": (interop.pizza, f"model_{name}.pt")
        for name in (*TRANSFORMERS, "7r4zst7evs", "p71frej8t7")
    },
    "modadd_wd0p1": (interop.nanda, "wd_10-1_mod_addition_loss_curve.pth"),
    **{
        name: (interop.group, f"{name}.model.pt")
        for name in (
            "reptheory_C113_T_seed1",
            "reptheory_C113_T_seed2",
            "reptheory_C118_T_seed1",
            "reptheory_S5_T_seed1",
        )
    },
}


def whole_loss(run, rows=slice(None)):
    table = run.task.table()
    return float(
        jax.jit(lambda *batch: run.loss(tasks.Batch(*batch)))(table.tokens[rows], table.labels[rows])
    )


def test_the_pizza_model_in_the_repository_gives_its_published_logits():
    run = interop.pizza(PIZZA / "model_2k4ohj6bhd.pt")
    expected = json.loads((PIZZA / "expected.json").read_text())
    logits = np.asarray(run.logits(jnp.asarray(expected["inputs"])))[:, 0]
    want = np.array(expected["logits"])
    np.testing.assert_allclose(logits, want, atol=1e-5 * np.abs(want).max())
    assert whole_loss(run) == pytest.approx(expected["loss"], rel=1e-4)
    assert run.task == gj.ModularArithmetic(59, equals=False) and run.config.mask == "full"
    assert float(run.hyper.attention_rate) == pytest.approx(0.80416, abs=1e-5)
    assert float(run.hyper.weight_decay) == 2 and float(run.hyper.train_fraction) == pytest.approx(0.8)


@pytest.mark.parametrize("name", RELEASED)
def test_logits_and_losses_are_the_reference(reference, name):
    reader, file = RELEASED[name]
    run = reader(reference / "raw" / file)
    arrays = np.load(reference / f"{name}.npz")
    want = arrays["sample.logits_f64"]
    found = np.asarray(run.logits(jnp.asarray(arrays["sample.inputs"])))[:, 0]
    np.testing.assert_allclose(found, want, atol=1e-5 * np.abs(want).max())
    expected = json.loads((reference / f"{name}.json").read_text())["expected"]
    loss = next(
        x
        for key, x in expected.items()
        if key in ("loss_full_grid", "loss_114way_all") or key.endswith("way_all")
    )
    assert whole_loss(run) == pytest.approx(loss, rel=1e-4)
    if "grid.is_train" in arrays:
        split = tasks.split if reader is interop.nanda else tasks.torch_split
        fraction = round(float(run.hyper.train_fraction), 6)
        parts = split(len(arrays["grid.is_train"]), fraction, int(run.hyper.seed))
        for part, rows in zip(("train", "test"), parts, strict=True):
            loss = next(x for key, x in expected.items() if key.endswith(f"way_{part}"))
            assert whole_loss(run, rows) == pytest.approx(loss, rel=1e-4)


def test_the_other_models_of_nanda_are_runs_of_our_tasks(reference):
    adder = interop.nanda(reference / "raw" / "5_digit_addition_infinite.pth")
    assert adder.task == gj.Addition()
    arrays = np.load(reference / "adder5_d128.npz")
    a, b = (np.array(tasks.digits(x.tolist(), 10, 5), np.int32) for x in arrays["problems.ab"][:1000].T)
    found = adder.scores(adder.task.encode(a, b)).loss
    np.testing.assert_allclose(-found, arrays["problems.logprob_per_token_f32"][:1000], atol=1e-4, rtol=1e-3)
    induction = interop.nanda(reference / "raw" / "induction_head_infinite.pth")
    assert induction.task == gj.Induction() and not induction.config.mlp
    arrays = np.load(reference / "induction_infinite.npz")
    want = arrays["sample.logits_f64_first2"][:, :84]
    found = induction.forward(jnp.asarray(arrays["sample.tokens"][:2, :84]))
    np.testing.assert_allclose(found, want, atol=1e-4 * np.abs(want).max())


def test_a_released_run_has_its_settings_and_stacks_with_trained_ones(reference):
    run = interop.nanda(reference / "raw" / "wd_10-1_mod_addition_loss_curve.pth")
    config, recipe, hyper = gj.presets.nanda(run.task)
    assert run.config == config and run.recipe == recipe
    # its stored config says 1, its optimiser 0.1
    assert float(run.hyper.weight_decay) == pytest.approx(0.1) and int(run.hyper.seed) == 1
    fresh = gj.Run.init(run.task, config, recipe, hyper)
    both = jax.tree.map(lambda *x: jnp.stack([jnp.asarray(y) for y in x]), run, fresh)
    assert both.num_runs == 2 and jax.tree.structure(both[0]) == jax.tree.structure(run)
    np.testing.assert_array_equal(both[0].params["W_E"], run.params["W_E"])


SHAPES = [
    dict(task=gj.ModularArithmetic(7, equals=False), d_model=8, num_heads=2),
    dict(
        task=gj.ModularArithmetic(6, equals=False, two_vocabularies=True),
        d_model=10,
        num_heads=4,
        d_head=2,
        num_layers=2,
    ),
    dict(task=gj.ModularArithmetic(8), d_model=9, num_heads=1, activation="gelu", num_layers=3),
    dict(task=gj.ModularArithmetic(5, two_vocabularies=True), d_model=8, num_heads=4, d_mlp=11),
    dict(task=gj.ModularArithmetic(7, "quadratic", equals=False), d_model=8, num_heads=2),
]
FORMULAS = {"add": "x[0]+x[1]", "quadratic": "x[0]**2+x[0]*x[1]+x[1]**2"}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: repr(shape["task"]))
def test_every_format_of_the_pizza_code_is_read(tmp_path, shape):
    shape = dict(shape)
    task = shape.pop("task")
    config, recipe, hyper = gj.presets.pizza(task, **shape)
    made = gj.Run.init(task, config, recipe, hyper.replace(attention_rate=0.25))
    path = torch_files.write(tmp_path / "model_x.pt", torch_files.columns(made.params))
    activation = {"relu": "ReLU", "gelu": "GeLU"}[config.activation]
    settings = dict(
        C=task.modulus, n_heads=config.num_heads, act_fn=activation, attn_coeff=0.25, lr=1e-3, frac=0.8
    )
    settings |= dict(funcs=f"lambda x: ({FORMULAS[task.operation]})%{task.modulus}", weight_decay=2.0)
    (tmp_path / "config_x.json").write_text(json.dumps(settings))
    run = interop.pizza(path)
    assert run.task == task and run.config == config
    np.testing.assert_array_equal(run.forward(task.table().tokens), made.forward(task.table().tokens))
    assert float(run.hyper.attention_rate) == 0.25
    assert float(run.hyper.scale_W_in) == pytest.approx(float(hyper.scale_W_in))


@pytest.mark.parametrize(
    "operation, outputs", [("subtract", "tokens"), ("quadratic", "digits"), ("add", "digits")]
)
def test_modular_checkpoints_with_settings_tell_their_task(tmp_path, operation, outputs):
    task = gj.ModularArithmetic(12, operation, outputs=outputs)
    config, recipe, hyper = gj.presets.nanda(task, d_model=8, num_heads=2)
    made = gj.Run.init(task, config, recipe, hyper)
    weights = torch_files.columns(made.params)
    fn_name = {"subtract": "subtract", "quadratic": "x2xyy2", "add": "add"}[operation]
    settings = {
        "p": b"K\x0c",
        "fn_name": torch_files.text(fn_name),
        "seed": b"K\x05",
        "frac_train": b"G?\xe0" + bytes(6),
    }
    content = torch_files.mapping(
        {"model": torch_files.state(weights), "config": torch_files.mapping(settings)}
    )
    run = interop.nanda(torch_files.write(tmp_path / "a.pth", weights, content))
    assert run.task == task and int(run.hyper.seed) == 5 and float(run.hyper.train_fraction) == 0.5
    np.testing.assert_array_equal(run.forward(task.table().tokens), made.forward(task.table().tokens))
    if operation == "add":
        assert interop.nanda(torch_files.write(tmp_path / "b.pth", weights)).task == task


@pytest.mark.parametrize(
    "kind, parameter, task",
    [
        ("CyclicGroup", 12, gj.ModularArithmetic(12, outputs="digits")),
        ("DihedralGroup", 5, gj.GroupComposition("D5")),
        ("AlternatingGroup", 4, gj.GroupComposition("A4")),
        ("SymmetricGroup", 3, gj.GroupComposition("S3")),
    ],
)
def test_group_checkpoints_tell_their_group(tmp_path, kind, parameter, task):
    config, recipe, hyper = gj.presets.nanda(task, d_model=8, num_heads=2)
    made = gj.Run.init(task, config, recipe, hyper)
    weights = interop.to_transformer_lens(made).weights | {"x_embed": np.asarray(made.params["W_E"])}
    weights = {name: np.asarray(x, bool if x.dtype == bool else np.float32) for name, x in weights.items()}
    path = torch_files.write(tmp_path / "G.model.pt", weights)
    (tmp_path / "G.cfg.json").write_text(
        json.dumps(dict(group=kind, group_parameter=parameter, seed=4, lr=1e-3, frac_train=0.4))
    )
    run = interop.group(path)
    assert run.task == task and run.config == config and int(run.hyper.seed) == 4
    np.testing.assert_array_equal(run.forward(task.table().tokens), made.forward(task.table().tokens))


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("kind", "ABCDX")
def test_the_linear_pizza_models_compute_what_their_code_does(tmp_path, kind):
    random = np.random.default_rng(0)
    draw = lambda *shape: random.normal(size=shape).astype(np.float32)
    half, p, d = 4, 7, 8
    weights = {"embed.weight": draw(p, half if kind == "D" else d)}
    if kind == "X":
        weights = {"embed1.weight": draw(p, d), "embed2.weight": draw(p, d)}
    weights |= {"unembed.weight": draw(p, d), "l1.weight": draw(d, d), "l1.bias": draw(d)}
    weights |= {"l2.weight": draw(d, d), "l2.bias": draw(d)} if kind in "BC" else {}
    path = torch_files.write(tmp_path / "model_x.pt", weights)
    (tmp_path / "config_x.json").write_text(
        json.dumps(dict(C=p, model_type=kind, lr=1e-3, weight_decay=2.0, frac=0.8))
    )
    run = interop.pizza(path)
    tokens = run.task.table().tokens
    first, second = ("embed1.weight", "embed2.weight") if kind == "X" else ("embed.weight",) * 2
    x, y = weights[first][tokens[:, 0]], weights[second][tokens[:, 1]]
    l1 = lambda x: x @ weights["l1.weight"].T + weights["l1.bias"]
    h = relu(
        {"C": lambda: l1(x) + l1(y), "D": lambda: l1(np.concatenate([x, y], 1))}.get(
            kind, lambda: l1(x + y)
        )()
    )
    h = relu(h @ weights["l2.weight"].T + weights["l2.bias"]) if kind in "BC" else h
    np.testing.assert_allclose(
        run.logits(tokens)[:, 0], h @ weights["unembed.weight"].T, rtol=1e-4, atol=1e-4
    )
    cut = run.logits(tokens, {"embed": lambda x: x.at[:, 1].set(0)})
    assert cut.shape == (49, 1, 7) and not np.allclose(cut, run.logits(tokens))
    assert set(run.run_with_cache(tokens)[1]) >= {"embed", "combined", "mlp.0.pre", "mlp.0.post"}
    assert run.scores(run.task.table()).correct.shape == (49, 1)


def test_group_models_without_attention_are_read(tmp_path):
    random = np.random.default_rng(0)
    draw = lambda *shape: random.normal(size=shape).astype(np.float32)
    weights = {"W_x": draw(6, 3), "W_y": draw(6, 3), "W": draw(6, 5), "W_U": draw(5, 6)}
    path = torch_files.write(tmp_path / "model.pt", weights)
    (tmp_path / "cfg.json").write_text(json.dumps(dict(group="SymmetricGroup", group_parameter=3)))
    run = interop.group(path)
    assert run.task == gj.GroupComposition("S3", equals=False)
    tokens = run.task.table().tokens
    hidden = np.concatenate([weights["W_x"][tokens[:, 0]], weights["W_y"][tokens[:, 1]]], 1) @ weights["W"]
    np.testing.assert_allclose(run.logits(tokens)[:, 0], relu(hidden) @ weights["W_U"], rtol=1e-4, atol=1e-4)
    bilinear = {name: x for name, x in (weights | {"W_U": draw(3, 6)}).items() if name != "W"}
    run = interop.group(torch_files.write(path, bilinear))
    product = weights["W_x"][tokens[:, 0]] * weights["W_y"][tokens[:, 1]]
    np.testing.assert_allclose(run.logits(tokens)[:, 0], product @ bilinear["W_U"], rtol=1e-4, atol=1e-4)


def changed(settings=None, weights=None):
    return dict(settings=settings or {}, weights=weights or {})


@pytest.mark.parametrize(
    "change, words",
    [
        (changed(dict(attn_coeff="much")), "attn_coeff='much' in the settings must be a number"),
        (changed(dict(funcs="lambda x: __import__('os').system('x')")), "is not lambda x: "),
        (changed(dict(funcs="lambda x: (x[0]+x[1])%5")), "is not lambda x: "),
        (changed(dict(n_heads=3)), "weights of 2 heads, settings of 3"),
        (changed(dict(act_fn="Tanh")), "activation='tanh' must be one of"),
        (changed(dict(C=5)), "is not lambda x: "),
        (changed(weights={"extra": np.zeros(3, np.float32)}), "weights that no transformer here has: extra"),
        (
            changed(weights={"embed.W_E": np.zeros((8, 9), np.float32)}),
            "weights of vocabulary=9, but ModularArithmetic",
        ),
        (changed(weights={"unembed.W_U": np.zeros((9, 7), np.float32)}), "embeddings of widths"),
        (
            changed(weights={"embed.W_E": np.zeros(8, np.float32)}),
            r"'embed.W_E' of shape \(8,\), not of 2 axes",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(tmp_path, change, words):
    task = gj.ModularArithmetic(7, equals=False)
    config, recipe, hyper = gj.presets.pizza(task, d_model=8, num_heads=2)
    made = gj.Run.init(task, config, recipe, hyper)
    path = torch_files.write(tmp_path / "model_x.pt", torch_files.columns(made.params) | change["weights"])
    settings = dict(C=7, n_heads=2, attn_coeff=1, funcs="lambda x: (x[0]+x[1])%7") | change["settings"]
    (tmp_path / "config_x.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=words):
        interop.pizza(path)


def test_linear_models_that_do_not_fit_their_settings_are_refused(tmp_path):
    zeros = lambda *shape: np.zeros(shape, np.float32)
    weights = {"embed.weight": zeros(7, 4), "unembed.weight": zeros(7, 4), "l1.weight": zeros(4, 4)}
    weights["l1.bias"] = zeros(4)
    path, settings = tmp_path / "model_x.pt", tmp_path / "config_x.json"
    torch_files.write(path, weights)
    settings.write_text(json.dumps(dict(C=8, model_type="A")))
    with pytest.raises(ValueError, match=r"W_E of shapes \(7, 4\), where ModularArithmetic"):
        interop.pizza(path)
    settings.write_text(json.dumps(dict(C=7, model_type="D")))
    with pytest.raises(ValueError, match=r"hidden layer 0 of shapes \(4, 4, 4\)"):
        interop.pizza(path)
    for settings_of_another, words in (
        (dict(C=7, model_type="Z"), "model_type='Z' must be"),
        (dict(C=7, lr=[1]), "lr="),
    ):
        settings.write_text(json.dumps(settings_of_another))
        with pytest.raises(ValueError, match=words):
            interop.pizza(path)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = torch_files.write(tmp_path / "model_x.pt", {"conv.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(ValueError, match=r"is not a model of this kind: it has no layers"):
        interop.nanda(path)
    with pytest.raises(FileNotFoundError, match=r"config_x.json is not a file: the settings"):
        interop.pizza(path)
    (tmp_path / "config_x.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"config_x.json is not a file of settings"):
        interop.pizza(path)
    assert set(torch_file.load_torch(path).weights) == {"conv.weight"}
