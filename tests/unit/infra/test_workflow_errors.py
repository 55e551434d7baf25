"""The workflow knows the errors of its functions by name, and what to do after each."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from shared.mail_claims import MAIL_CLAIM
from tests.unit.infra.stack import ROOT
from tests.unit.infra.states import EXPORT_STEPS, MAILS, errors, states, tasks

# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
AWS_ERRORS = {
    "States.ALL",
    "States.Timeout",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
}


def own_exceptions() -> dict[str, list[tuple[str, str]]]:
    """Package and docstring of every class of exceptions that has no subclass, by name."""
    classes: list[tuple[str, ast.ClassDef]] = []
    for path in [*(ROOT / "functions").glob("*/*.py"), *(ROOT / "shared").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                classes.append((path.parent.name, node))
    bases = {base.id for _, node in classes for base in node.bases if isinstance(base, ast.Name)}
    exceptions = {"Exception"}
    for _ in range(3):
        exceptions |= {
            node.name
            for _, node in classes
            if exceptions & {base.id for base in node.bases if isinstance(base, ast.Name)}
        }
    found: dict[str, list[tuple[str, str]]] = {}
    for package, node in classes:
        if node.name in exceptions - bases:
            text = " ".join((ast.get_docstring(node) or "").split())
            found.setdefault(node.name, []).append((package, text))
    return found


def retried(names: list[str]) -> set[str]:
    return {error for name in names for rule in states()[name]["Retry"] for error in rule["ErrorEquals"]}


def test_errors_of_aws_are_spelled_as_aws_spells_them() -> None:
    named = {error for state in states().values() for error in errors(state) if "." in error}
    assert named <= AWS_ERRORS


def test_errors_of_our_own_are_classes_that_nothing_is_derived_from() -> None:
    # Step Functions sees the name of the class that was raised, and nothing of its bases.
    named = {error for state in states().values() for error in errors(state) if "." not in error}
    assert named
    assert named <= set(own_exceptions())


@pytest.mark.parametrize(("package", "names"), [("export_backup", EXPORT_STEPS), ("notify", MAILS)])
def test_what_says_that_the_workflow_retries_it_is_retried_and_nothing_else_of_ours(
    package: str, names: list[str]
) -> None:
    says_so = {
        name
        for name, places in own_exceptions().items()
        for where, text in places
        if where == package and re.search(r"(?:workflow|Step Functions) (?:retries|tries|takes)", text)
    }
    assert says_so == {error for error in retried(names) if "." not in error}
    assert says_so


def test_nobody_retries_what_says_that_nobody_does() -> None:
    final = {
        name
        for name, places in own_exceptions().items()
        if any("obody retries" in text or "obody tries again" in text for _, text in places)
    }
    assert {"Superseded", "ForeignEvent", "SourceRefused", "BucketRefused"} <= final
    assert not final & retried(list(tasks()))


def test_all_steps_of_the_export_are_retried_alike() -> None:
    first, *others = (states()[name]["Retry"] for name in EXPORT_STEPS)
    assert all(other == first for other in others)


def test_freeing_the_account_is_retried_like_the_steps_but_for_what_it_does_not_touch() -> None:
    assert retried(EXPORT_STEPS) - retried(["Failed"]) == {"SourceUnavailable", "BucketUnavailable"}
    assert not retried(["Failed"]) - retried(EXPORT_STEPS)


def test_a_function_that_dies_or_runs_out_of_time_is_called_again() -> None:
    """Faults 9 and 10, by AWS's names for them."""
    for name in tasks():
        deaths = {"Runtime.ExitError", "Sandbox.Timedout", "Lambda.Unknown", "States.Timeout"}
        assert deaths <= retried([name]), name


def test_throttling_of_lambda_is_waited_out_longer_and_in_disorder() -> None:
    for name, state in tasks().items():
        (rule,) = [
            rule for rule in state["Retry"] if "Lambda.TooManyRequestsException" in rule["ErrorEquals"]
        ]
        assert rule["ErrorEquals"] == ["Lambda.TooManyRequestsException"], name
        assert rule["JitterStrategy"] == "FULL", name
        assert sum(waits(rule)) > 600, name


def waits(rule: dict[str, Any]) -> list[float]:
    rate, most = rule.get("BackoffRate", 2), rule.get("MaxDelaySeconds", float("inf"))
    return [min(rule["IntervalSeconds"] * rate**number, most) for number in range(rule["MaxAttempts"])]


@pytest.mark.parametrize("name", MAILS)
def test_a_delayed_mail_is_tried_until_long_after_a_dead_claim_has_ended(name: str) -> None:
    (rule,) = [rule for rule in states()[name]["Retry"] if "MailDelayed" in rule["ErrorEquals"]]
    assert sum(waits(rule)) > 2 * MAIL_CLAIM.total_seconds()


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_whose_sender_died_is_tried_once_its_claim_has_ended(name: str) -> None:
    (rule,) = [rule for rule in states()[name]["Retry"] if "Sandbox.Timedout" in rule["ErrorEquals"]]
    assert waits(rule)[0] > MAIL_CLAIM.total_seconds()
