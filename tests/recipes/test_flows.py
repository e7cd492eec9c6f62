"""Flows end to end on a tiny model: stages, figures, report, feedback pairs, own conversations."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handrail import world
from handrail.recipes import RECIPES, _found, flow, report_again, seeds
from handrail.recipes import corpus as corpus_module
from handrail.recipes.corpus import Corpora, Corpus, take_points
from handrail.recipes.flow import Trained, begin, with_rates
from handrail.recipes.flow2 import feedback_turns
from handrail.recipes.outcome import SeedOutcome
from handrail.recipes.own import read_turns
from handrail.recipes.page import _skips
from handrail.recipes.run import Run
from handrail.recipes.settings import BETAS, WORLD_RATES, FlowSettings, QuickstartSettings
from handrail.recipes.speaking import speak
from handrail.recipes.systems import PAPER_RATES
from handrail.recipes.worker import FLOWS
from handrail.records import RecordError, Reply, RunError, SettingError, Skip, Turn, write_jsonl
from handrail.sources.tables_out import write_parquet

FILES = {"conversations": "turns.jsonl", "playbook": "rules.json"}
SMALL: dict[str, Any] = {
    "train_points": 20,
    "feedback_points": 20,
    "test_turns": 8,
    "seeds": 1,
    "reply_tokens": 12,
    "threads": 1,
    "learning_rates": {"sft": 1e-3, "ipo": 1e-4, "kto_pair": 1e-4, "kto": 1e-4, "dpo": 1e-4},
}


@pytest.fixture(scope="module")
def quick(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("quick")
    settings = QuickstartSettings(model=str(tiny_model), **SMALL)
    return out, RECIPES["quickstart"].run(settings, out, lambda *a, **k: None)


def test_the_quickstart_leaves_a_report_and_a_summary(quick: tuple[Path, dict]) -> None:
    out, summary = quick
    gain = json.loads((out / "summary.json").read_text())["adherence_gain"]
    assert -1 <= gain["low"] <= gain["estimate"] <= gain["high"] <= 1
    assert gain == summary["adherence_gain"]
    page = (out / "report.html").read_text()
    for part in (
        "Win rates",
        "How the comparisons came out",
        "Gains over training seeds",
        "Which guardrails break",
        "Training curves",
        "How long the replies are",
        "skipped or cut",
    ):
        assert part in page, part
    assert {r["system"] for r in summary["rates"]} == {"base", "M1-SFT", "SFT→IPO"}
    for one in summary["perplexity"].values():
        assert 1 < one["low"] < one["estimate"] < one["high"]
        assert f"{one['estimate']:.3f}" in page
    assert (out / "judged" / "seed0" / "verdicts.jsonl").stat().st_size > 0


def test_the_same_run_again_trains_nothing_and_gives_the_same_files(
    quick: tuple[Path, dict], tiny_model: Path
) -> None:
    out, _ = quick
    page, figures = (out / "report.html").read_bytes(), (out / "summary.json").read_bytes()
    stages: list[str] = []
    settings = QuickstartSettings(model=str(tiny_model), **SMALL)
    RECIPES["quickstart"].run(settings, out, lambda stage, *a, **k: stages.append(stage))
    assert not [stage for stage in stages if "train" in stage or "speaks" in stage]
    assert (out / "report.html").read_bytes() == page
    assert (out / "summary.json").read_bytes() == figures
    (out / "report.html").unlink()
    assert report_again(out).read_bytes() == page


def test_a_report_finds_the_runs_files_from_elsewhere_or_names_the_lost_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"model": "world", "conversations": "own turns.jsonl", "playbook": ""}
    home = tmp_path / "home"
    home.mkdir()
    (home / "own turns.jsonl").write_text("", "utf-8")
    monkeypatch.setattr("sys.argv", ["/usr/bin/handrail", "run", "x", "own turns.jsonl"])
    monkeypatch.chdir(home)
    begin(Run(home / "run"), "flow1", FlowSettings(conversations="own turns.jsonl", threads=1))
    config = json.loads((home / "run" / "config.json").read_text("utf-8"))
    assert config["command"] == "handrail run x 'own turns.jsonl'"
    monkeypatch.chdir(tmp_path)
    found = _found(given, config["folder"], home / "run")
    assert Path(found["conversations"]) == home / "own turns.jsonl"
    assert (found["model"], found["playbook"]) == ("world", "")
    (home / "world").mkdir()
    assert _found(given, config["folder"], home / "run")["model"] == "world"
    (home / "own turns.jsonl").unlink()
    with pytest.raises(RunError, match="the run's conversations are not there any more") as caught:
        report_again(home / "run")
    assert str(home) in caught.value.mend


def test_a_report_of_an_unfinished_run_is_one_clear_error(
    quick: tuple[Path, dict], tmp_path: Path
) -> None:
    out, _ = quick
    with pytest.raises(RunError, match="not the folder of a run"):
        report_again(tmp_path)
    (tmp_path / "config.json").write_text((out / "config.json").read_text())
    with pytest.raises(RunError, match="is not finished"):
        report_again(tmp_path)


def test_flow2_trains_on_its_own_worse_replies(tiny_model: Path, tmp_path: Path) -> None:
    settings = FlowSettings(model=str(tiny_model), **SMALL)
    summary = RECIPES["flow2"].run(settings, tmp_path, lambda *a, **k: None)
    assert summary["aligned"] == "N1-SFT→IPO"
    assert {r["system"] for r in summary["rates"]} >= {"N1-SFT", "N1-SFT→IPO", "N1-SFT→KTO-pair"}


def test_feedback_keeps_only_answers_that_differ_and_are_worse() -> None:
    turns = world.training_turns(6, 3)[:12]
    oracle = world.Oracle()
    answers = []
    for i, turn in enumerate(turns):
        chosen, rejected = turn.replies
        answers.append(rejected if i % 3 == 0 else chosen)
    answers = [Reply(text=a.text, author="bot") for a in answers]
    kept, skips = feedback_turns(turns, answers, oracle)
    worse = [t for i, t in enumerate(turns) if i % 3 == 0]
    assert {t.context for t in kept} <= {t.context for t in worse}
    assert kept
    for turn in kept:
        assert list(turn.pairs()) == [(0, 1)]
        assert turn.replies[1].breaks
        assert turn.replies[1].author == "bot"
    assert sum(s.count for s in skips) == len(turns) - len(kept)
    assert any(s.reason == "equal to a reply of the turn" for s in skips)


def test_feedback_is_never_nearly_the_chosen_reply_nor_one_that_the_guidelines_allow() -> None:
    turns = [t for t in world.training_turns(6, 3) if len(t.replies[1].text) > 40][:3]
    worse = [t.replies[1].text for t in turns]
    near = turns[0].replies[0].text[:-3].lower()
    answers = [Reply(text=text, author="bot") for text in (near, *worse[1:])]
    kept, skips = feedback_turns(
        turns, answers, world.Oracle(), lambda turn, text: text == worse[1]
    )
    assert [t.replies[1].text for t in kept] == [worse[2]]
    assert {s.reason: s.count for s in skips} == {
        "near-equal to a reply of the turn": 1,
        "the guidelines allow it here": 1,
    }


def test_answers_that_are_none_of_the_bots_whole_replies_are_no_feedback(
    tiny_model: Path, tmp_path: Path
) -> None:
    turns = world.training_turns(6, 3)
    answers = [Reply(text=t.replies[1].text, author="bot") for t in turns]
    whole, _ = feedback_turns(turns, answers, world.Oracle())
    first, second = (
        next(i for i, t in enumerate(turns) if t.context == k.context) for k in whole[:2]
    )
    spoilt = {first: "the bot said nothing", second: "the answer was cut off at reply_tokens"}
    kept, skips = feedback_turns(turns, answers, world.Oracle(), None, spoilt)
    assert [t.context for t in whole][2:] == [t.context for t in kept]
    assert {s.reason: s.count for s in skips}.items() >= dict.fromkeys(spoilt.values(), 1).items()
    # A model that knows nothing never ends its replies: of such answers there are no pairs.
    settings = FlowSettings(model=str(tiny_model), **SMALL | {"reply_tokens": 2})
    corpus = Corpora(settings, feedback=True).of(0)
    run = Run(tmp_path)
    base = flow.base_system(run, settings, corpus)
    _, facts = speak(run, settings, base, corpus.feedback, 0, purpose="feedback")
    assert len(facts["cut_at"]) == facts["cut"] > 0
    assert set(facts["cut_at"]) | set(facts["empty_at"]) <= set(range(len(corpus.feedback)))


def test_points_are_whole_conversations_and_the_test_set_is_the_same_for_all_seeds() -> None:
    turns = take_points(lambda n: world.training_turns(n, 4), 50)
    assert len(turns) >= 50
    after = world.training_turns(60, 4)[len(turns)]
    assert after.conversation_id != turns[-1].conversation_id
    one = Corpora(FlowSettings(**SMALL)).of(0)
    two = Corpora(FlowSettings(**SMALL)).of(1)
    assert one.test == two.test
    assert one.train != two.train
    names = {t.conversation_id for t in one.train} & {t.conversation_id for t in one.test}
    assert not names


def test_own_conversations_are_split_by_conversation(tmp_path: Path) -> None:
    talks = world.generate(40, 11)
    write_jsonl(tmp_path / "talks.jsonl", talks)
    settings = FlowSettings(conversations=str(tmp_path / "talks.jsonl"), **SMALL)
    corpus = Corpora(settings).of(0)
    train = {t.conversation_id for t in corpus.train}
    test = {t.conversation_id for t in corpus.test}
    assert train
    assert test
    assert not train & test
    pairs = [t for t in corpus.train for _ in t.pairs()]
    assert pairs
    for turn in pairs:
        found = corpus.assessor.assess(turn, turn.replies[-1].text)
        assert found.breaks == turn.replies[-1].breaks != ()


def test_what_was_read_once_gives_each_seed_the_same_turns(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    write_jsonl(path, world.generate(40, 11))
    settings = FlowSettings(conversations=str(path), **SMALL)
    fresh = [Corpora(settings, feedback=True).of(seed) for seed in (0, 1)]
    kept = Corpora(settings, feedback=True)
    first = kept.of(0)
    path.unlink()  # nothing is left to read
    assert [first, kept.of(1)] == fresh
    assert fresh[0].train != fresh[1].train
    assert fresh[0].feedback != fresh[1].feedback
    assert fresh[0].test == fresh[1].test


@pytest.mark.parametrize("recipe", ["flow1", "flow2"])
def test_a_flow_reads_its_files_once(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "talks.jsonl", world.generate(40, 11))
    settings = FlowSettings(
        conversations=str(tmp_path / "talks.jsonl"), **SMALL | {"seeds": 3, "first_seed": 4}
    )
    reads: list[str] = []
    seen: list[Corpus] = []

    def one_seed(run: Any, settings: FlowSettings, corpus: Corpus, *rest: Any) -> SeedOutcome:
        seen.append(corpus)
        return SeedOutcome(seed=rest[-1], corpus=corpus)

    monkeypatch.setattr(
        corpus_module, "read_turns", lambda *a: reads.append(a[0]) or read_turns(*a)
    )
    monkeypatch.setattr(
        seeds, "conclude", lambda run, outcomes: {"seeds": [s.seed for s in outcomes.seeds]}
    )
    told = dataclasses.replace(FLOWS[recipe], one_seed=one_seed)
    summary = seeds.run_flow(told, settings, tmp_path / "run", frozen=False)
    assert summary["seeds"] == [4, 5, 6]
    assert reads == [settings.conversations]
    assert len({tuple(t.id for t in one.train) for one in seen}) == 3
    assert bool(seen[0].feedback) == (recipe == "flow2")


def test_conversations_without_a_playbook_are_one_clear_error(tmp_path: Path) -> None:
    talk = world.generate(1, 2)[0].model_copy(update={"playbook": None})
    write_jsonl(tmp_path / "talks.jsonl", [talk])
    with pytest.raises(RecordError, match=r"no playbook.*--playbook"):
        read_turns(str(tmp_path / "talks.jsonl"))


def test_bad_records_stop_a_flow_or_are_left_out_and_counted(tmp_path: Path) -> None:
    good = [t.model_dump_json(exclude_defaults=True) for t in world.training_turns(80, 3)]
    talks = [t.model_dump_json(exclude_defaults=True) for t in world.generate(40, 11)]
    others = [t.model_dump_json(exclude_defaults=True) for t in world.generate(40, 12)]
    for name, lines in (("ok", others), ("clean", talks)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    for name, lines in (("turns", good), ("talks", talks)):
        path = tmp_path / f"{name}.jsonl"
        # A bad line first of all, so that the kind of file is known from the ones after it.
        lines = ["{not JSON", *lines[:9], '{"id": 3}', *lines[9:]]
        path.write_text("\n".join(lines) + "\n", "utf-8")
        for place in ("conversations", "test_conversations"):
            files = {"conversations": str(tmp_path / "ok.jsonl"), place: str(path)}
            with pytest.raises(RecordError, match=r"line 1\b|:1\b"):
                Corpora(FlowSettings(**SMALL, **files)).of(0)
            corpus = Corpora(FlowSettings(**SMALL, **files, on_error="skip")).of(0)
            bad = [s for s in corpus.skipped if path.name in s.where]
            assert sum(s.count for s in bad) == 2
            clean = Corpora(FlowSettings(**SMALL, **files | {place: str(tmp_path / "clean.jsonl")}))
            if name == "talks":
                assert corpus.train == clean.of(0).train
                assert corpus.test == clean.of(0).test


def unchecked(turn: Turn) -> Turn:
    """The turn under a playbook in words alone; its feedback stays."""
    assert turn.playbook is not None
    rules = [g.model_copy(update={"check": None}) for g in turn.playbook.guardrails]
    book = turn.playbook.model_copy(update={"guardrails": tuple(rules)})
    return turn.model_copy(update={"playbook": book})


@pytest.mark.parametrize("recipe", ["quickstart", "flow2"])
def test_turns_that_nothing_can_judge_are_refused_before_any_stage(
    recipe: str, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "turns.jsonl"
    write_jsonl(path, [unchecked(t) for t in world.training_turns(60, 3)])
    kind = QuickstartSettings if recipe == "quickstart" else FlowSettings
    settings = kind(model=str(tiny_model), conversations=str(path), **SMALL)
    with pytest.raises(RecordError, match=r"playbook with a check.*Add a 'check'"):
        RECIPES[recipe].run(settings, tmp_path / "run", lambda *a, **k: None)
    assert not (tmp_path / "run" / "stages").exists()


def test_turns_that_nothing_can_judge_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "turns.jsonl"
    turns = world.training_turns(160, 3)
    names = sorted({t.conversation_id for t in turns})[::2]
    write_jsonl(path, [unchecked(t) if t.conversation_id in names else t for t in turns])
    settings = FlowSettings(conversations=str(path), **SMALL | {"test_turns": 1000})
    corpus = Corpora(settings, feedback=True).of(0)
    judged = (*corpus.test, *corpus.feedback)
    assert judged
    assert not {t.conversation_id for t in judged} & set(names)
    assert {t.conversation_id for t in corpus.train} & set(names)  # they have their feedback
    lost = {s.what: s.count for s in corpus.skipped if "no check" in s.reason}
    assert set(lost) == {"test turn", "feedback turn"}
    for turn in judged:
        corpus.assessor.assess(turn, "Hello.")


def test_the_models_size_decides_its_rates_not_its_name(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path)
    small = begin(run, "flow1", FlowSettings(model=str(tiny_model), threads=1))
    assert small.learning_rates == WORLD_RATES
    written = json.loads((tmp_path / "config.json").read_text("utf-8"))["settings"]
    assert written["learning_rates"] == WORLD_RATES
    packaged = FlowSettings(model=str(world.world_model_path()))
    for same in (packaged, FlowSettings(), FlowSettings(model="scratch")):
        assert with_rates(same).learning_rates == WORLD_RATES
        assert with_rates(same).betas == BETAS
    monkeypatch.setattr(flow, "count_parameters", lambda name: 7_000_000_000)
    large = with_rates(FlowSettings(model="any/7b", learning_rates={"ipo": 1e-5}))
    assert large.learning_rates == PAPER_RATES | {"ipo": 1e-5}
    lora = with_rates(FlowSettings(model="any/7b", mode="lora")).learning_rates
    assert lora == pytest.approx(
        {"sft": 5e-4, "ipo": 2e-5, "dpo": 2e-5, "kto": 5e-6, "kto_pair": 5e-6}
    )
    assert large.betas == BETAS == dict.fromkeys(("ipo", "kto_pair", "kto", "dpo"), 0.1)
    own = with_rates(FlowSettings(betas={"kto": 0.2}))
    assert own.betas == BETAS | {"kto": 0.2}
    assert flow.objective_of("kto", own).beta == 0.2
    assert flow.objective_of("ipo", own).beta == 0.1


@pytest.mark.parametrize(
    "given",
    [{"playbook": "x.yaml"}, {"test_conversations": "x"}, {"guidelines": "x"}, {"split": "task"}],
)
def test_what_no_conversations_would_use_is_refused(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"{next(iter(given))} needs conversations"):
        RECIPES["flow1"].run(FlowSettings(**given), tmp_path, lambda *a, **k: None)


def test_the_report_counts_turns_under_the_playbook_file(tmp_path: Path) -> None:
    turns = [t.model_copy(update={"playbook": None}) for t in world.training_turns(40, 3)]
    write_jsonl(tmp_path / "turns.jsonl", turns)
    (tmp_path / "rules.json").write_text(
        world.generate(1, 2)[0].playbook.model_dump_json(exclude_defaults=True), "utf-8"
    )
    files = {name: str(tmp_path / file) for name, file in FILES.items()}
    facts = Corpora(FlowSettings(**files, **SMALL)).of(0).facts
    assert facts["turns under the playbook file"] == str(len(turns))


def test_what_the_files_lack_counts_once_for_all_seeds() -> None:
    corpus = Corpora(FlowSettings(**SMALL)).of(0)
    corpus = dataclasses.replace(corpus, skipped=(Skip(what="line", reason="not JSON"),))
    seeds = [SeedOutcome(seed=n, corpus=corpus) for n in range(3)]
    for one in seeds:
        one.skipped.append(Skip(what="feedback pair", reason="not worse", count=4))
    outcomes = SimpleNamespace(seeds=seeds, annotated=())
    skips = _skips(SimpleNamespace(outcomes=outcomes, recall={}))  # type: ignore[arg-type]
    assert [(s.what, s.count) for s in skips] == [("line", 1)] + [("feedback pair", 4)] * 3


def test_what_systems_leave_out_of_the_same_turns_counts_once_a_seed(tmp_path: Path) -> None:
    one = SeedOutcome(seed=0, corpus=Corpora(FlowSettings(**SMALL)).of(0))
    same = (Skip(what="turn", reason="no reply", where="a"), Skip(what="turn", reason="no reply"))
    other = Skip(what="turn", reason="no reply", where="b")
    for name, skips in (("SFT", same), ("IPO", same), ("KTO", (*same, other, same[1]))):
        one.add(Trained(name, tmp_path, None, skips), [], {})
    assert Counter(one.skipped) == Counter((*same, other, same[1]))


def test_turns_are_read_from_parquet_too(tmp_path: Path) -> None:
    turns = world.training_turns(20, 3)
    write_parquet(tmp_path / "turns.parquet", turns)
    shutil.move(tmp_path / "turns.parquet", tmp_path / "TURNS.PARQUET")
    own = read_turns(str(tmp_path / "TURNS.PARQUET"))
    assert (own.turns, own.skipped, own.recorded) == (turns, [], False)


def test_rejected_replies_of_own_conversations_come_from_the_training_part(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "talks.jsonl", world.generate(60, 8))
    settings = FlowSettings(conversations=str(tmp_path / "talks.jsonl"), test_turns=40)
    corpus = Corpora(settings).of(0)
    train = {t.conversation_id for t in corpus.train}
    assert train.isdisjoint(t.conversation_id for t in corpus.test)
    said = {t.replies[0].text for t in corpus.base}
    origins: Counter[str] = Counter()
    for turn in (*corpus.base, *corpus.test):
        for worse in turn.replies[1:]:
            assert worse.text in said
            assert worse.text != turn.replies[0].text
            assert worse.breaks
            assert not turn.replies[0].breaks
            origins[worse.author] += 1
    assert origins["reply to a similar message"] > origins["reply of another turn"] > 0
    tried = [s for s in corpus.skipped if s.what == "rejected candidate"]
    assert {s.where for s in tried} == set(origins)


def test_turns_without_a_guardrail_or_a_pair_are_counted(tmp_path: Path) -> None:
    rule = {"text": "Name the days.", "check": {"when": {"user": ["refund"]}, "require": ["days"]}}
    (tmp_path / "rules.json").write_text(json.dumps([rule]), "utf-8")
    asked = ("A refund, please.", "Hello there.")
    said = ("It takes five days.", "What can I do for you?")
    rows = [
        {"conversation": f"{n}", "role": role, "text": text}
        for n in range(60)
        for role, text in (("customer", asked[n % 2]), ("agent", f"{said[n % 2]} Number {n}."))
    ]
    (tmp_path / "talks.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    files = {"conversations": "talks.jsonl", "playbook": "rules.json"}
    given = {name: str(tmp_path / file) for name, file in files.items()}
    corpus = Corpora(FlowSettings(**given, test_turns=99)).of(0)
    (lost,) = (s.count for s in corpus.skipped if s.reason == "no guardrail applies to it")
    pairs = sum(len(list(t.pairs())) for t in corpus.base)
    assert 0 < pairs < len(corpus.base)
    assert corpus.facts["train turns in the files"] == (
        f"{len(corpus.base)}, {pairs} with a better and a worse reply"
    )
    assert corpus.facts["test turns in the files"].startswith(f"{len(corpus.test) + lost}, ")
    assert all(t.replies[0].keeps for t in corpus.test)
