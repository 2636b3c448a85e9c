import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiprdc_fl.config.choices import unused
from tiprdc_fl.config.help import key_help, parse_arguments
from tiprdc_fl.config.keys import Config, differences, flatten, to_yaml
from tiprdc_fl.config.load import PRESETS
from tiprdc_fl.data.proxies import FACES
from tiprdc_fl.errors import InputError
from tiprdc_fl.protections import PROTECTIONS
from tiprdc_fl.stages.registries import choices, load_config

KEYS = list(flatten(Config()))
WITHOUT_IMPORTS = [key for key in KEYS if key != "plugins"]  # random text must not import a module


def errors_of(*overrides, config=None):
    """The lines of the error that these arguments cause."""
    with pytest.raises(InputError) as caught:
        load_config(config, overrides)
    return str(caught.value).split("\n")


def from_text(tmp_path, text):
    """The path of a YAML file with this text."""
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return str(path)


# --- values ---


def test_defaults_are_those_declared_with_the_datasets_own_filled_in():
    config = load_config(None, [])
    filled = {
        "data.private": ["Male"],
        "data.tasks": ["Smiling", "Eyeglasses"],
        "data.collector_people": 400,
        "data.holdout_people": 200,
        "data.proxies": list(FACES),
    }
    assert flatten(config) == {**flatten(Config()), **filled}


def test_every_dataset_has_its_own_attributes():
    chat = load_config(None, ["data.name=chitchat"]).data
    assert (chat.private, chat.tasks) == (["Ends_With_Punctuation"], ["Question"])
    assert (chat.collector_people, chat.holdout_people) == (None, None)
    celeba = load_config(None, ["data.name=celeba", "data.root=somewhere"]).data
    assert (celeba.private, celeba.tasks) == (["Male"], ["Smiling", "Eyeglasses"])


def test_proxies_are_the_datasets_without_what_is_hidden_or_a_task():
    config = load_config(None, ["data.private=[Male,Young]", "data.tasks=[Smiling,Bald]"])
    assert config.data.proxies == [name for name in FACES if name not in ("Young", "Bald")]
    assert load_config(None, ["data.proxies=[]"]).data.proxies == []
    assert load_config(None, ["data.proxies=[Young]"]).data.proxies == ["Young"]
    assert load_config(None, ["data.name=chitchat"]).data.proxies is None
    celeba = load_config(None, ["data.name=celeba", "data.root=nowhere"]).data.proxies
    assert set(FACES) < set(celeba or ())
    assert not {"Male", "Smiling", "Eyeglasses"} & set(celeba or ())


@pytest.mark.parametrize(
    ("overrides", "encoder"),
    [
        (["protection.name=aligned"], "proxies"),
        (["protection.name=codes"], "proxies"),
        (["protection.name=aligned", "data.proxies=[]"], "information"),
        (["protection.name=codes", "data.name=chitchat"], "information"),
        (["protection.name=aligned", "protection.encoder=information"], "information"),
        (["protection.name=encoder"], "information"),
        (["protection.name=hybrid", "data.proxies=[Young]"], "information"),
        (["protection.name=encoder", "protection.encoder=proxies"], "proxies"),
        ([], None),
    ],
)
def test_aligned_and_codes_have_an_encoder_on_proxies_where_there_are_some(overrides, encoder):
    config = load_config(None, overrides)
    assert config.protection.encoder == encoder
    assert unused(config, choices()) == []


def test_a_loaded_configuration_does_not_share_its_lists_with_the_next():
    tasks = load_config(None, []).data.tasks
    assert tasks is not None
    tasks.append("Young")
    assert load_config(None, []).data.tasks == ["Smiling", "Eyeglasses"]


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_config(None, []).data.name = "celeba"  # pyright: ignore


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("clients=10", 10),
        ("clients=1e3", 1000),
        ("clients=1000.0", 1000),
        ("clients=010", 10),
        ("seed=9007199254740993", 9007199254740993),
        ("training.budget=1", 1.0),
        ("training.learning_rate=1e-4", 1e-4),
        ("model.estimator_convs=2", 2),
        ("name=123", "123"),
        ("name='a b'", "a b"),
        ("run_dir=runs/a=b", "runs/a=b"),
        ("run_dir=null", None),
        ("run_dir=None", None),
        ("evaluation.max_examples=null", None),
        ("data.private=Male", ["Male"]),
        ("data.private=[Male]", ["Male"]),
        ("data.private=[Male, Young]", ["Male", "Young"]),
        ("data.private=Male,Young", ["Male", "Young"]),
        ("data.image_size=64", [64, 64]),
        ("data.image_size=[218,178]", [218, 178]),
        ("data.image_size=218,178", [218, 178]),
    ],
)
def test_values_are_read_by_the_type_of_their_key(override, value):
    found = flatten(load_config(None, [override]))[override.partition("=")[0]]
    assert found == value
    assert type(found) is type(value)


def test_arguments_win_over_the_file_and_the_file_over_the_defaults(tmp_path):
    path = from_text(tmp_path, "clients: 7\nseed: 3\ntraining: {budget: 0.5}\n")
    config = load_config(path, ["clients=8", "seed=1", "seed=2"])
    assert (config.clients, config.seed, config.training.budget, config.training.epochs) == (8, 2, 0.5, 4)


def test_an_argument_mends_a_wrong_value_of_the_file(tmp_path):
    assert load_config(from_text(tmp_path, "clients: many"), ["clients=8"]).clients == 8


@pytest.mark.parametrize("text", ["", "# nothing\n", "data:\n", "data: {}\n"])
def test_an_empty_file_or_section_changes_nothing(tmp_path, text):
    assert load_config(from_text(tmp_path, text), []) == load_config(None, [])


def test_interpolations_see_defaults_and_arguments(tmp_path, monkeypatch):
    monkeypatch.setenv("FACES_ROOT", "pictures")
    text = """
clients: ${evaluation.max_examples}
name: s${seed}
data:
  root: ${oc.env:FACES_ROOT}
  private: ["${name}"]
evaluation:
  batch_size: ${training.batch_size}
  steps: ${.batch_size}
"""
    config = load_config(from_text(tmp_path, text), ["seed=5"])
    assert (config.clients, config.name, config.data.root) == (20000, "s5", "pictures")
    assert (config.data.private, config.evaluation.batch_size, config.evaluation.steps) == (["s5"], 64, 64)


# --- presets ---


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_every_preset_loads_once_root_is_given(preset):
    assert load_config(preset, ["data.root=somewhere"]).data.root == "somewhere"


def test_the_celeba_preset_is_the_papers():
    config = load_config("paper_celeba", ["data.root=somewhere"])
    assert config.data.image_size == (218, 178)
    assert (config.model.width, config.training.batch_size, config.training.learning_rate) == (64, 64, 1e-4)
    assert errors_of(config="paper_celeba") == [
        "data.name=celeba needs data.root=PATH, the folder that holds list_attr_celeba.txt"
    ]


# --- errors ---

INTEGER = "expected an integer, at least 1"
NAMES = "expected a list of names such as [Smiling], or null"
SIZE = "expected an integer or [height, width], each from 32 to 1024"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("client=3", "unknown key 'client'; did you mean 'clients'?"),
        ("Clients=3", "unknown key 'Clients'; did you mean 'clients'?"),
        ("budget=0.5", "unknown key 'budget'; did you mean 'training.budget'?"),
        ("evaluation.budget=1", "unknown key 'evaluation.budget'; did you mean 'training.budget'?"),
        ("trainig.epochs=1", "unknown key 'trainig.epochs'; did you mean 'training.epochs'?"),
        (
            "batch_size=3",
            "unknown key 'batch_size'; did you mean 'training.batch_size' or 'evaluation.batch_size'?",
        ),
        ("pretrain-epochs=3", "unknown key 'pretrain-epochs'; did you mean 'training.pretrain_epochs'?"),
        ("zzzqqq=3", "unknown key 'zzzqqq'; --help lists every key"),
        ("=3", "unknown key ''; --help lists every key"),
        ("clients=abc", f"clients=abc: {INTEGER}"),
        ("clients=1.5", f"clients=1.5: {INTEGER}"),
        ("clients=true", f"clients=true: {INTEGER}"),
        ("clients=0", f"clients=0: {INTEGER}"),
        ("clients=-3", f"clients=-3: {INTEGER}"),
        ("clients=nan", f"clients=nan: {INTEGER}"),
        ("clients=inf", f"clients=inf: {INTEGER}"),
        ("clients=null", f"clients=null: {INTEGER}"),
        ("clients=[1]", f"clients=[1]: {INTEGER}"),
        ("clients=1e300", f"clients=1e300: {INTEGER}; it is too large"),
        ("clients=", "clients=: a value is expected after '='; null stands for none"),
        ("federation.workers=0", "federation.workers=0: expected an integer, at least 1, or null"),
        ("training.budget=1.1", "training.budget=1.1: expected a number from 0 to 1"),
        ("training.budget=nan", "training.budget=nan: expected a number from 0 to 1"),
        ("training.budget=null", "training.budget=null: expected a number from 0 to 1"),
        ("training.learning_rate=0", "training.learning_rate=0: expected a number above 0"),
        ("training.learning_rate=inf", "training.learning_rate=inf: expected a number above 0"),
        ("training.weight_decay=-1", "training.weight_decay=-1: expected a number, at least 0"),
        ("model.estimator_convs=4", "model.estimator_convs=4: expected one of 2, 3"),
        (
            "data.name=celebb",
            "data.name=celebb: expected one of faces, celeba, lfw, dial, folder, chitchat; did you mean celeba?",
        ),
        ("device=GPU", "device=GPU: expected one of auto, cpu, cuda"),
        ("device=CPU", "device=CPU: expected one of auto, cpu, cuda; did you mean cpu?"),
        ("data.image_size=8", f"data.image_size=8: {SIZE}"),
        ("data.image_size=[64,64,3]", f"data.image_size=[64,64,3]: {SIZE}"),
        ("data.image_size=[64,2000]", f"data.image_size=[64,2000]: {SIZE}"),
        ("data.image_size=big", f"data.image_size=big: {SIZE}"),
        ("data.private=[]", f"data.private=[]: {NAMES}; it is empty"),
        ("data.tasks=[Hat, Hat]", f"data.tasks=[Hat, Hat]: {NAMES}; Hat is there twice"),
        ("data.tasks=[1]", f"data.tasks=[1]: {NAMES}; put it in quotes"),
        ("data.tasks={a: 1}", f"data.tasks={{a: 1}}: {NAMES}"),
        ("name=' '", "name=' ': expected text, or null; it is empty"),
        ("name=a/b", "name=a/b: expected a name without / and \\; run_dir=PATH sets the folder"),
        ("name=${nothing}", "name=${nothing}: Interpolation key 'nothing' not found"),
        ("name=???", "name=???: Missing mandatory value: name"),
        (
            "plugins=[no_such]",
            "plugins=no_such: cannot be imported (No module named 'no_such'); install it or add its "
            "folder to PYTHONPATH",
        ),
        ("plugins=a/b", "plugins=a/b: expected a module's name, such as my_package.protections"),
        ("clients 10", "clients 10: key=value is expected, such as clients=10"),
        ("clients:10", "clients:10: key=value is expected, such as clients=10"),
        ("clients", "clients: key=value is expected, such as clients=1000"),
        ("10", "10: key=value is expected, such as clients=1000"),
        (
            "data.name=celeba",
            "data.name=celeba needs data.root=PATH, the folder that holds list_attr_celeba.txt",
        ),
        (
            "data.private=Smiling",
            "data.private=[Smiling] and data.tasks=[Smiling, Eyeglasses] share Smiling: an attribute is "
            "either private or a task; change one of the two",
        ),
    ],
)
def test_a_single_mistake_is_one_line(override, message):
    assert errors_of(override) == [message]


def test_a_value_in_an_argument_of_its_own_belongs_to_the_key_before_it():
    assert errors_of("clients", "10") == ["clients 10: key=value is expected, such as clients=10"]
    assert len(errors_of("clients", "seed=1")) == 1
    assert len(errors_of("10", "clients")) == 2


def test_a_section_is_no_key():
    [line] = errors_of("data=3")
    assert line.startswith("data=3: data is a section; set its keys: data.name, data.root,")


def test_a_list_that_does_not_end_is_named():
    [line] = errors_of("data.private=[Male")
    assert line.startswith("data.private=[Male: line 1: ")


def test_all_mistakes_are_reported_together(tmp_path):
    path = from_text(tmp_path, "seeed: 1\ntraining:\n  budget: 2\nclients: 0\n")
    lines = errors_of("device=tpu", "clients=5", "epoch", "data.name=celeba", "data.tasks=Male", config=path)
    assert lines == [
        f"{path}: unknown key 'seeed'; did you mean 'seed'?",
        "epoch: key=value is expected, such as training.epochs=4",
        f"{path}: training.budget=2: expected a number from 0 to 1",
        "device=tpu: expected one of auto, cpu, cuda",
        "data.private=[Male] and data.tasks=[Male] share Male: an attribute is either private or a task; "
        "change one of the two",
        "data.name=celeba needs data.root=PATH, the folder that holds list_attr_celeba.txt",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello", "its top is no mapping"),
        ("[1, 2]", "its top is no mapping"),
        ("3", "its top is no mapping"),
        ("seed: 1\nclients: [", "line 2: "),
        ("clients: 1\nclients: 2", "line 2: found duplicate key clients"),
        ("clients: ${", "--config "),
        ("clients: !!python/object:a.b {}", "line 1: could not determine a constructor"),
        ("data: 3", "data=3: data is a section"),
        ("data:\n  nme: x", "unknown key 'data.nme'; did you mean 'data.name'?"),
        ("trainin:\n  budget: 1", "unknown key 'trainin.budget'; did you mean 'training.budget'?"),
        ("1: 2", "unknown key '1'"),
        ("clients: true", f"clients=true: {INTEGER}"),
        ("clients: {a: 1}", "clients={'a': 1}: expected an integer"),
        ("clients: ", "clients=null: expected an integer"),
        ("name: 7", "name=7: expected text, or null; put it in quotes"),
        ('name: "a\\nb"', "it holds control characters"),
        ("clients: ${nothing}", "clients=${nothing}: Interpolation key 'nothing' not found"),
        ("clients: ${clients}", "clients=${clients}: Recursive interpolation detected"),
        ("clients: ${oc.env:NO_SUCH_VARIABLE}", "Environment variable 'NO_SUCH_VARIABLE' not found"),
        ("clients: " + "[" * 100_000, "too many lists or mappings"),
    ],
)
def test_a_mistake_in_a_file_names_the_file(tmp_path, text, message):
    path = from_text(tmp_path, text)
    [line] = errors_of(config=path)
    assert path in line
    assert message in line


def test_files_that_cannot_be_read(tmp_path):
    presets = ", ".join(sorted(path.stem for path in PRESETS.glob("*.yaml")))
    reason = f"no such file; presets: {presets}"
    assert errors_of(config="missing.yaml") == [f"--config missing.yaml: {reason}"]
    assert errors_of(config="quik") == [f"--config quik: {reason}; did you mean quick?"]
    [line] = errors_of(config=str(tmp_path))
    assert line.endswith("is a folder; a YAML file or a preset's name is expected")
    (tmp_path / "photo.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    [line] = errors_of(config=str(tmp_path / "photo.yaml"))
    assert line.endswith("photo.yaml: is not a text file in UTF-8")
    [line] = errors_of(config="x" * 5000)
    assert "cannot be read" in line


texts = st.text(max_size=30) | st.text("[]{}${}'\"?\\:, -abc019.=\n", max_size=30)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.builds("{}={}".format, st.sampled_from([*WITHOUT_IMPORTS, "data"]), texts) | texts, max_size=4
    )
)
def test_arguments_never_cause_anything_but_an_input_error(overrides):
    try:
        load_config(None, overrides)
    except InputError as error:
        assert all(line.isprintable() and line for line in str(error).split("\n"))


@settings(max_examples=80, deadline=None)
@given(text=texts | st.builds("{}: {}".format, st.sampled_from(WITHOUT_IMPORTS), texts))
def test_files_never_cause_anything_but_an_input_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_config(str(path), [])
    except InputError as error:
        assert all(line.isprintable() and line for line in str(error).split("\n"))


# --- YAML, differences ---

VALUES = {
    "clients": st.integers(1, 2**62),
    "device": st.sampled_from(["auto", "cpu", "cuda"]),
    "run_dir": st.none() | texts,
    "name": st.none() | texts | st.sampled_from(["null", "1e3", "yes", "2020-01-01", "0x1f", "~", "1:30"]),
    "data.private": st.none() | st.lists(texts, max_size=3),
    "data.image_size": st.tuples(st.integers(32, 1024), st.integers(32, 1024)),
    "training.budget": st.floats(0, 1),
    "training.learning_rate": st.floats(0, exclude_min=True, allow_infinity=False),
    "federation.workers": st.none() | st.integers(1, 99),
}


@settings(max_examples=60, deadline=None)
@given(values=st.fixed_dictionaries({}, optional=VALUES))
def test_yaml_reads_back_to_an_equal_configuration(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_text(json.dumps(values))  # JSON is YAML; values that are no valid ones are passed over
    try:
        config = load_config(str(path), [])
    except InputError:
        return
    path.write_text(to_yaml(config), encoding="utf-8")
    again = load_config(str(path), [])
    assert again == config
    assert to_yaml(again) == to_yaml(config)


def test_the_yaml_holds_every_key_with_attributes_filled_in():
    text = to_yaml(load_config(None, []))
    assert all(f"{key.rpartition('.')[2]}:" in text for key in KEYS)
    assert "private:\n  - Male\n" in text


def test_differences_name_what_changed():
    there = load_config(None, ["run_dir=a"])
    here = load_config(None, ["training.budget=0.5", "data.private=Hat", "run_dir=b"])
    changed = ["data.private: [Male] there, [Hat] here", "training.budget: 0.9 there, 0.5 here"]
    assert differences(there, here, ignore=["run_dir"]) == changed
    assert differences(there, here) == ["run_dir: a there, b here", *changed]
    assert differences(here, here) == []


# --- the command line ---


def help_text(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as stopped:
        parse_arguments(["--help"], choices())
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_help_lists_every_key_with_default_and_meaning_within_the_width(capsys, monkeypatch, columns):
    text = help_text(capsys, monkeypatch, columns)
    flowing = " ".join(text.split())
    for key, default, meaning in key_help(choices()):
        assert f"  {key}={default}" in text
        assert meaning.partition(" ")[0] in flowing
        assert columns < 80 or " ".join(meaning.split()) in flowing
    keys = text[text.index("keys with their defaults") : text.index("\nexamples:\n")]
    longest = max(len(f"  {key}={default}") for key, default, _ in key_help(choices()))
    assert max(map(len, keys.splitlines())) <= max(columns, longest)


def test_help_aligns_meanings(capsys, monkeypatch):
    lines = help_text(capsys, monkeypatch, 120).splitlines()
    columns = set()
    for key, default, meaning in key_help(choices()):
        [line] = [line for line in lines if line.startswith(f"  {key}={default}  ")]
        columns.add(line.index(meaning.split()[0], len(f"  {key}={default}")))
    assert len(columns) == 1


def test_key_help_says_what_is_allowed():
    help_by_key = {key: (default, meaning) for key, default, meaning in key_help(choices())}
    assert list(help_by_key) == KEYS
    assert help_by_key["clients"] == ("1000", "number of contributors asked (an integer, at least 1)")
    assert help_by_key["data.image_size"][0] == "[32, 32]"
    assert help_by_key["federation.engine"][1].endswith("(one of flower, inline)")
    assert help_by_key["partition.alpha"][1].startswith("dirichlet: concentration")
    protections = help_by_key["protection.name"][1].splitlines()
    for line, (name, record) in zip(protections[1:], PROTECTIONS.items(), strict=True):
        assert line.startswith(f"- {name}: {record.label}")
    datasets = help_by_key["data.name"][1]
    assert "- lfw: " in datasets and "tasks [Black Hair, Eyeglasses]" in datasets


@pytest.mark.parametrize(
    "argv",
    [
        ["--config", "quick", "--print-config", "clients=1", "seed=2"],
        ["clients=1", "--config", "quick", "seed=2", "--print-config"],
        ["--print-config", "clients=1", "seed=2", "--config=quick"],
    ],
)
def test_options_may_stand_anywhere(argv):
    arguments = parse_arguments(argv, choices())
    assert (arguments.config, arguments.print_config) == ("quick", True)
    assert arguments.overrides == ["clients=1", "seed=2"]


def test_without_arguments_everything_is_default():
    arguments = parse_arguments([], choices())
    assert (arguments.config, arguments.print_config, arguments.overrides) == (None, False, [])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--clients", "10"], "unknown option --clients; did you mean clients=10?"),
        (["--clients=10"], "unknown option --clients=10; did you mean clients=10?"),
        (["a=1", "--client", "10"], "unknown option --client; did you mean clients=10?"),
        (["--seed", "a=1"], "unknown option --seed; did you mean seed=0?"),
        (
            ["--batch-size", "3"],
            "unknown option --batch-size; did you mean training.batch_size=3 or evaluation.batch_size=3?",
        ),
        (["--confg", "quick"], "unknown option --confg; did you mean --config?"),
        (["-q"], "unknown option -q; keys are given as key=value, see --help"),
        (["--config"], "argument --config: expected one argument"),
    ],
)
def test_a_wrong_option_exits_with_one_line(capsys, argv, message):
    with pytest.raises(SystemExit) as stopped:
        parse_arguments(argv, choices())
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"
