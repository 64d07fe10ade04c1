"""A runbook is read strictly: what it says is what runs, and what is not understood is refused with its line."""

from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbooks.format import Runbook, read_runbook
from runbooks.yaml_nodes import RunbookError

STEP = "steps:\n  - {id: look, verb: blast, why: To see.}\n"
HEAD = "name: x\ntitle: An x\n"


def read(text: str) -> Runbook:
    return read_runbook(text, "x.yaml")


def test_the_shipped_runbook_walks_contain_to_close() -> None:
    text = files("runbooks").joinpath("library/batch-error.yaml").read_text(encoding="utf-8")
    book = read_runbook(text, "batch-error.yaml")
    assert book.name == "batch-error"
    assert [step.id for step in book.steps] == ["contain", "revert", "fix", "purge", "backfill", "verify", "close"]
    assert [step.gate.kind if step.gate else None for step in book.steps] == [
        "manual",
        "plan",
        None,
        "plan",
        "plan",
        None,
        "manual",
    ]
    assert all(step.why for step in book.steps)


def test_an_option_is_a_text_or_a_parameter_and_is_left_out_when_the_parameter_is_not_given() -> None:
    book = read(
        HEAD + "params:\n  cells: {description: cells, type: list}\n"
        'steps:\n  - {id: p, verb: purge, why: w, gate: plan, with: {include: "{cells}", skip_refused: yes}}\n'
    )
    assert book.steps[0].given({}) == {"skip_refused": ("yes",)}
    assert book.steps[0].given({"cells": ("a", "b")}) == {"include": ("a", "b"), "skip_refused": ("yes",)}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "empty"),
        ("- a\n", 1, "must be a mapping, not a list"),
        (HEAD + "step: 1\n" + STEP, 3, "unknown key 'step'"),
        (HEAD + "title: again\n" + STEP, 3, "appears twice"),
        (HEAD, 1, "lacks the key 'steps'"),
        (HEAD + "steps: []\n", 3, "without steps"),
        (HEAD + "steps: yes\n", 3, "must be a list, not text"),
        (HEAD + "steps:\n  - {id: a, verb: purg, why: w}\n", 4, "unknown verb 'purg'"),
        (HEAD + "steps:\n  - {id: a, verb: blast, why: w}\n  - {id: a, verb: blast, why: w}\n", 5, "two steps have the id 'a'"),
        (HEAD + "steps:\n  - {id: a, verb: purge, why: w}\n", 4, "a purge step needs gate: plan"),
        (HEAD + "steps:\n  - {id: a, verb: purge, why: w, gate: maybe}\n", 4, "must be a mapping, not text"),
        (HEAD + "steps:\n  - {id: a, verb: verify, why: w, gate: plan}\n", 4, "shows no plan"),
        (HEAD + "steps:\n  - {id: a, verb: manual, why: w}\n", 4, "needs a manual gate"),
        (HEAD + "steps:\n  - {id: a, verb: manual, why: w, gate: {kind: manual, ask: ok, param: p}}\n", 4, "no parameter 'p'"),
        (
            HEAD + "params:\n  p: {description: d}\n"
            "steps:\n  - {id: a, verb: manual, why: w, gate: {kind: manual, ask: ok, param: p}}\n",
            6,
            "p is no yes or no",
        ),
        (HEAD + "steps:\n  - {id: a, verb: purge, why: w, gate: plan, with: {force: yes}}\n", 4, "unknown key 'force'"),
        (HEAD + "steps:\n  - {id: a, verb: purge, why: w, gate: plan, with: {skip_refused: si}}\n", 4, "skip_refused is 'si'"),
        (HEAD + "steps:\n  - {id: a, verb: purge, why: w, gate: plan, with: {include: '{q}'}}\n", 4, "no parameter 'q'"),
        (
            HEAD + "params:\n  q: {description: d}\nsteps:\n  - {id: a, verb: purge, why: w, gate: plan, with: {include: '{q}'}}\n",
            6,
            "of type list, the parameter q of type text",
        ),
        (HEAD + "params:\n  q: {description: d, type: bool}\n" + STEP, 4, "unknown parameter type 'bool'"),
        (HEAD + "steps:\n  - {id: a, verb: blast, why: [w]}\n", 4, "why must be text, not a list"),
        (HEAD + "steps:\n  - {id: a, verb: blast, why: }\n", 4, "why is empty"),
        (HEAD + "steps:\n  - {id: A b, verb: blast, why: w}\n", 4, "id is 'A b'"),
        (HEAD + "description: &a x\n" + STEP, 3, "anchors and aliases"),
        ("a: *a\n", 1, "anchors and aliases"),
        (HEAD + "description: !!python/object:os.system x\n" + STEP, 3, "is not allowed"),
        (HEAD + "description: {a: [\n" + STEP, 5, "not YAML"),
        ("a: " + "[" * 400 + "]" * 400, 1, "nested deeper"),
        ("a: \x07", 1, "not YAML"),
        ("--- a\n--- b\n", 2, "not YAML"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line_and_what_is_allowed(text: str, line: int, words: str) -> None:
    with pytest.raises(RunbookError) as caught:
        read(text)
    assert words in caught.value.message
    assert caught.value.message.startswith(f"x.yaml, line {line}: ")
    assert caught.value.hint


def test_words_stay_as_written() -> None:
    book = read(HEAD + "steps:\n  - {id: f, verb: fix, why: w, with: {code_version: 1.10}}\n")
    assert book.steps[0].given({}) == {"code_version": ("1.10",)}


def test_a_file_of_aliases_costs_no_more_than_its_length() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{c}: &{c} [{','.join('*' + p for _ in range(9))}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(RunbookError, match="anchors"):
        read(bomb)


@given(st.text(alphabet=st.sampled_from("abk:-{}[]\"'>|&*!#\n \t,?%@`~"), max_size=80))
def test_any_text_is_a_runbook_or_an_error_with_a_line(text: str) -> None:
    with pytest.raises(RunbookError, match=r"x\.yaml, line \d+: "):
        read(text)
