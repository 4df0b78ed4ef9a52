"""Recipes: what a file becomes, the shipped ones, and one line for everything that is wrong in one."""

from dataclasses import replace

import pytest

from l3host import cli
from l3host.compress import paper, plans
from l3host.errors import L3Error
from l3host.pipeline import recipe as recipes
from l3host.pipeline import recover_stage
from l3host.pipeline.run import plan
from l3host.train import settings

FULL = """
seed = 3
paper = "II 95.45"
[source]
weights = "teacher.h5"
[ablate]
width = "43.14"
[prune]
plan = [0, 30.5, 40]
[[recover]]
method = "batchnorm"
data = "street"
[[recover]]
method = "kd"
data = "street"
epochs = 5
folds = [1, 2]
[[evaluate]]
data = "esc"
subset = "esc10"
seeds = 2
[sensitivity]
data = "esc"
[convert]
calibrate = "street"
[data]
street = "sounds"
"""
SHAPE = '[source]\nweights = "random"\n'


@pytest.fixture
def load(tmp_path, monkeypatch):
    """load(text, **data): the recipe of this text, in a folder that has teacher.h5 and sounds/."""
    (tmp_path / "teacher.h5").write_bytes(b"")
    (tmp_path / "sounds").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def do(text, **data):
        (tmp_path / "my.toml").write_text(text)
        return recipes.load(str(tmp_path / "my.toml"), data)

    return do


def test_every_table(load, tmp_path):
    result = load(FULL, esc="../sounds")
    assert (result.name, result.seed, result.paper) == ("my", 3, "II 95.45")
    assert result.source.weights == str(tmp_path / "teacher.h5")
    assert recipes.width(result.ablate) == (64, 48, 64, 64, 128, 128, 256, 256) and recipes.depth(result.ablate) is None
    assert recipes.target(result.prune) == (0.0, 30.5, 40.0)
    assert result.recover[0] == recipes.Recover("batchnorm", "street")
    assert result.recover[1] == recipes.Recover("kd", "street", None, (1, 2), settings.Kd(epochs=5, seed=3))
    assert result.evaluate == (recipes.Evaluate("esc", "esc10", seeds=2),)
    assert result.sensitivity == recipes.Sensitivity("esc", probe="logistic")
    assert result.needs() == ["street", "esc"]
    assert result.data == {"street": str(tmp_path / "sounds"), "esc": str(tmp_path / "sounds")}


def test_a_recipe_as_json_has_no_paths(load, tmp_path):
    assert str(tmp_path) not in str(load(FULL, esc=str(tmp_path / "sounds")).to_json())


def test_paths_given_go_before_the_recipes_own(load, tmp_path):
    (tmp_path / "other.h5").write_bytes(b"")
    result = load(FULL, esc="../sounds", street="..", weights="../other.h5")
    assert result.data["street"] == str(tmp_path) and result.source.weights == str(tmp_path / "other.h5")


WRONG = {
    "a = 1\nb = = 2\n": r"my.toml: not valid TOML: .*line 2",
    "speed = 1\n" + SHAPE: r"my.toml: unknown key 'speed': known are source, seed, paper, student",
    "[prune]\nsparsity = 5": r"my.toml: table \[source\] is missing",
    "[source]\n": r"my.toml, \[source\]: key 'weights' is missing",
    SHAPE + "depth = 3": r"\[source\]: unknown key 'depth': known are weights, final_norm, video, paper, frontend, filters",
    SHAPE + "filters = [4, 2.5]": r"\[source\]: filters = \[4, 2.5\]: must be a list of whole numbers",
    SHAPE + "filters = []": "must be a list of whole numbers",
    SHAPE + "final_norm = 1": r"\[source\]: final_norm = 1: must be true or false",
    SHAPE + 'frontend = "mel"': r"\[source\]: unknown front-end 'mel': choose from sea, mel256",
    SHAPE + "[prune]\nsparsity = true": r"\[prune\]: sparsity = True: must be a number",
    SHAPE + "[prune]": r"\[prune\]: give one of plan and sparsity",
    SHAPE + '[prune]\nplan = "95"': "my.toml: unknown pruning plan '95': choose from 53.49,",
    SHAPE + '[ablate]\ndepth = "conv7"\nwidth = [1]': r"\[ablate\]: give one of depth and width",
    SHAPE + '[ablate]\ndepth = "conv2"': "unknown depth 'conv2': choose from conv7",
    SHAPE + '[[recover]]\nmethod = "magic"': r"method = 'magic': must be one of batchnorm, kd, sea, avc, labels, palette",
    SHAPE + "[[recover]]\nmethod = [1]": r"method = \[1\]: must be one of batchnorm, kd",
    SHAPE + '[[recover]]\nmethod = "kd"': r"\[\[recover\]\] 1: key 'data' is missing",
    SHAPE + '[[recover]]\nmethod = "batchnorm"\ndata = "a"\nepochs = 3': r"unknown key 'epochs': known for batchnorm are method",
    SHAPE + '[[recover]]\nmethod = "kd"\ndata = "street"\nepochs = "3"': r"\[\[recover\]\] 1: epochs = '3': must be a whole number",
    SHAPE + '[[recover]]\nmethod = "kd"\ndata = "street"\nseed = 3': r"unknown key 'seed'",
    SHAPE + '[recover]\nmethod = "kd"': r"recover must be a list of tables: \[\[recover\]\]",
    SHAPE + '[[recover]]\nmethod = "sea"\ndata = "street"': r"by sea teaches a new network: give a \[student\], or a \[teacher\]",
    SHAPE + '[[recover]]\nmethod = "labels"\ndata = "a"\n[[recover]]\nmethod = "kd"\ndata = "a"': "only palette may come after",
    SHAPE + '[[recover]]\nmethod = "palette"\ndata = "a"': r"palette is the last step, for \[convert\] encoding = 'palette'",
    SHAPE + "[prune]\nsparsity = 40\ngradual = true": "gradual needs a training: its first",
    SHAPE + "[student]\nfilters = [2]": r"\[student\] is untrained",
    '[source]\nweights = "teacher.h5"\nwithout = ["a.h5"]\n[[recover]]\nmethod = "kd"\ndata = "a"': "without is for a classifier",
    SHAPE + 'without = ["a.h5"]\n[[recover]]\nmethod = "labels"\ndata = "a"': "without has weights that have not heard a fold",
    '[source]\nweights = "teacher.h5"\nfilters = [2]': r"\[source\]: filters is only for weights = 'random'",
    SHAPE + '[[recover]]\nmethod = "avc"\ndata = "street"': r"by avc needs \[source\] video, a trained",
    SHAPE + 'video = "v.keras"': r"\[source\]: no such file: .*v.keras; --data video=PATH says where v.keras is",
    SHAPE + '[convert]\nencoding = "f8"': r"\[convert\]: unknown encoding 'f8': choose from auto, f16, palette",
    "seed = 1.5\n" + SHAPE: "my.toml: seed = 1.5: must be a whole number",
    'paper = "II 95"\n' + SHAPE: r"my.toml: unknown row 'II 95' of the papers' tables: choose from L3, II 53.49",
    SHAPE + '[[evaluate]]\ndata = "street"': r'my.toml needs data .street.: --data street=PATH, or street = "PATH" in its',
    SHAPE + '[[evaluate]]\ndata = "street"\n[data]\nstreet = "no"': r"data 'street': no such file or directory: .*no",
    SHAPE + "[data]\nstreet = 3": r"\[data\]: must be a table of paths by name",
    '[source]\nweights = "no.h5"': r"\[source\]: no such file: .*no.h5; --data weights=PATH says where no.h5 is",
}


@pytest.mark.parametrize("text", WRONG)
def test_one_line_says_what_is_wrong(load, text):
    with pytest.raises(L3Error, match=WRONG[text]) as error:
        load(text)
    assert "\n" not in str(error.value)


def test_a_recipe_that_is_not_there(tmp_path):
    with pytest.raises(L3Error, match="no such recipe: table9 .* name of a shipped one: .*table2-95.45-kd"):
        recipes.load("table9")


def test_the_command_refuses_data_that_nothing_uses(load, tmp_path, capsys):
    load(SHAPE)
    assert cli.main(["compress", str(tmp_path / "my.toml"), "--data", "street=.."]) == 1
    assert capsys.readouterr().err == "l3mote: --data street: no recipe uses it; used are teacher, video, weights\n"
    with pytest.raises(SystemExit):
        cli.main(["compress", "my", "--data", "street"])
    assert "'street' is not NAME=PATH" in capsys.readouterr().err


# -- the shipped ones

SHIPPED = sorted(path.stem for path in recipes.SHIPPED.glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_are_valid_and_say_what_they_need(name, tmp_path):
    text = recipes.find(name).read_text()
    assert text.startswith("# ")
    (tmp_path / "weights.h5").write_bytes(b"")
    names = {"weights": str(tmp_path / "weights.h5"), "audio": str(tmp_path), "esc50": str(tmp_path), "videos": str(tmp_path)}
    names["video"] = names["teacher"] = names["weights"]
    names["free"] = str(tmp_path)
    for number in range(1, 5):
        (tmp_path / f"{number}.keras").write_bytes(b"")
        names[f"weights-{number}"] = str(tmp_path / f"{number}.keras")
    result = recipes.load(name, names)
    for need in result.needs():
        assert f"--data {need}=" in text
    assert result.recover or name.startswith("table3")


def test_every_row_of_the_tables_is_shipped():
    rows = {path.stem: recipes.parse(path).paper for path in recipes.SHIPPED.glob("*.toml")}
    wanted = {f"II {p}" for p in plans.TABLE_II} | {f"III {p}" for p in plans.TABLE_III} | {f"IV {p}" for p in plans.TABLE_IV}
    assert wanted | {f"SEA {i}" for i in range(4)} <= set(rows.values())
    assert len([name for name in rows if name.startswith("table2")]) == 22  # AVC and KD


def test_recipes_of_a_family_differ_in_what_their_names_say():
    """The figures of l3-64 are those of networks that lack a fold; what zeros cost is seen where nothing else changes."""

    def shipped(name, **changes):
        return replace(recipes.parse(recipes.find(name)), name="", **changes)

    whole = shipped("l3-64")
    for fold in range(1, 5):
        rest = tuple(n for n in range(1, 5) if n != fold)
        tested = (recipes.Evaluate("free", probe="logistic", folds=(fold,)),)
        assert shipped(f"l3-64-fold{fold}") == replace(whole, recover=(replace(whole.recover[0], folds=rest),), evaluate=tested)
    for family in ("kd", "ft"):
        pruned = {percent: shipped(f"l3-64-{percent}-{family}", baseline=True) for percent in (50, 80, 90, 95)}
        assert [recipe.prune for recipe in pruned.values()] == [recipes.Prune(sparsity=percent) for percent in pruned]
        assert len({repr(replace(recipe, prune=None)) for recipe in pruned.values()}) == 1
        assert (pruned[50].recover[0].folds, pruned[50].evaluate[0].folds) == ((2, 3, 4), (1,))


def test_paper_figures_agree_with_each_other():
    """Table II's megabytes are 4 bytes for each weight that its reduction leaves of L3's 4,684,224."""
    for name in plans.TABLE_II:
        left = (1 - float(name) / 100) * 4_684_224 * 4
        assert paper.ROWS[f"II {name}"].values_bytes == pytest.approx(left, rel=0.01)


def test_each_method_of_recovery_has_its_settings_and_its_step():
    assert set(recover_stage.METHODS) == set(recipes.METHODS)


# -- teachers

TAUGHT = SHAPE + '[teacher]\nfile = "teacher.h5"\n[[recover]]\nmethod = "kd"\ndata = "street"\nother = "street"\nsoft = 0.3\n'


def test_a_recipe_with_a_teacher(load, tmp_path):
    result = load(TAUGHT, street="../sounds")
    assert result.teacher.file == str(tmp_path / "teacher.h5") and result.needs() == ["street"]
    assert result.recover[0].settings == settings.Taught(soft=0.3) and result.recover[0].other == "street"
    assert result.to_json()["teacher"] == {}
    alone = load(TAUGHT.replace('"kd"', '"sea"').replace('other = "street"\n', ""), street="../sounds")
    assert alone.recover[0].settings == settings.Taught(soft=0.3)


@pytest.mark.parametrize(
    "before, after, message",
    [
        ('"teacher.h5"', '"none.toml"', r"\[teacher\]: no such file: .*none.toml; --data teacher=PATH says where none.toml is"),
        ('"kd"', '"labels"\nepochs = 1', "unknown key 'soft'"),
        ('"kd"', '"sea"', "other sounds are for .* by kd with a .teacher."),
        ('other = "street"', "price = 0.1", "price and recall set thresholds where a ..recover.. has other sounds"),
        ("soft = 0.3", "price = 9", "price = 9, recall = 0.75: each is a share from 0 to 1"),
        ('[teacher]\nfile = "teacher.h5"\n', "", "unknown key 'soft'"),
        (TAUGHT[TAUGHT.index("[[") :], "", "nothing learns from the .teacher.: give a .* by kd or sea"),
    ],
)
def test_what_is_wrong_with_a_recipe_with_a_teacher(load, before, after, message):
    assert before in TAUGHT
    with pytest.raises(L3Error, match=message):
        load(TAUGHT.replace(before, after), street="../sounds")


def test_the_source_is_judged_unless_it_is_untrained_or_unchanged_or_the_recipe_says_no(load):
    head, cut = '[source]\nweights = "teacher.h5"\n', "[prune]\nsparsity = 5\n"
    probes = '[[evaluate]]\ndata = "esc"\n' * 2
    judged = list(plan(load(head + cut + probes, esc="../sounds")))
    assert judged == ["load", "cut", "evaluate-1", "baseline-1", "evaluate-2", "baseline-2", "convert", "plan"]
    for text in ("baseline = false\n" + head + cut, SHAPE + cut, head):
        assert not [name for name in plan(load(text + probes, esc="../sounds")) if name.startswith("baseline")]
