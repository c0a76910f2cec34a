"""Metrics of scores, several classes and the cases where a number does not exist."""

import json

import numpy as np
import pytest

sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
from mlaas4hep.evaluation.metrics import evaluate  # noqa: E402

RANDOM = np.random.default_rng(7)


def test_two_classes() -> None:
    labels, scores = np.array([0, 0, 0, 1, 1, 1]), np.array([0.1, 0.5, 0.3, 0.4, 0.8, 0.9])
    found = evaluate(labels, scores, ["background", "signal"])
    assert found.events == 6
    assert found.auc == pytest.approx(8 / 9)
    assert found.confusion_matrix == [[2, 1], [1, 2]]  # 0.5 counts as positive
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.report["signal"]["recall"] == pytest.approx(2 / 3)  # type: ignore[index]
    assert "background" in found.text
    assert found.notes == []


def test_the_threshold_moves_the_decision_and_not_the_auc() -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.7, 0.9])
    low, high = (evaluate(labels, scores, ["b", "s"], threshold) for threshold in (0.5, 0.65))
    assert (low.accuracy, high.accuracy) == (0.75, 1.0)
    assert low.auc == high.auc
    assert high.threshold == 0.65


def test_two_outputs_are_read_as_the_score_of_the_second_class() -> None:
    labels, scores = RANDOM.integers(0, 2, 50), RANDOM.random(50)
    both = np.stack([1 - scores, scores], axis=1)
    assert evaluate(labels, both, ["b", "s"], 0.4) == evaluate(labels, scores, ["b", "s"], 0.4)


def test_several_classes_are_taken_each_against_the_rest() -> None:
    labels, scores = RANDOM.integers(0, 3, 300), RANDOM.random((300, 3))
    scores /= scores.sum(axis=1, keepdims=True)
    found = evaluate(labels, scores, ["a", "b", "c"])
    assert found.auc == pytest.approx(sk.roc_auc_score(labels, scores, multi_class="ovr", average="macro"))
    assert found.accuracy == (scores.argmax(axis=1) == labels).mean()
    assert found.threshold is None
    assert np.sum(found.confusion_matrix) == 300


def test_scores_that_do_not_add_up_to_one_have_an_auc() -> None:
    labels = np.arange(30) % 3
    found = evaluate(labels, 5.0 * (labels[:, np.newaxis] == np.arange(3)), ["a", "b", "c"])
    assert found.auc == 1.0


def test_a_single_class_has_no_auc() -> None:
    found = evaluate(np.ones(4, np.int64), np.array([0.1, 0.6, 0.7, 0.9]), ["b", "s"])
    assert found.auc is None
    assert found.accuracy == 0.75
    assert found.confusion_matrix == [[0, 0], [1, 3]]
    assert found.notes == ["every event of the test part is of class s: there is no AUC"]


def test_an_absent_class_is_left_out_of_the_auc() -> None:
    labels = np.array([0, 2, 0, 2])
    scores = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.5, 0.1, 0.4], [0.2, 0.1, 0.7]])
    found = evaluate(labels, scores, ["a", "b", "c"])
    assert found.auc == 1.0
    assert found.notes == ["the test part has no event of class b: the AUC leaves it out"]
    assert found.confusion_matrix == [[2, 0, 0], [0, 0, 0], [0, 0, 2]]


def test_the_dict_is_strict_json() -> None:
    found = evaluate(np.ones(4, np.int64), np.array([0.1, 0.6, 0.7, 0.9]), ["b", "s"]).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_an_event_of_weight_two_counts_as_two() -> None:
    labels, scores = RANDOM.integers(0, 2, 60), RANDOM.random(60)
    counts = RANDOM.integers(1, 4, 60)
    weighted = evaluate(labels, scores, ["b", "s"], weights=counts.astype(np.float32))
    repeated = evaluate(np.repeat(labels, counts), np.repeat(scores, counts), ["b", "s"])
    assert weighted.auc == pytest.approx(repeated.auc)
    assert weighted.accuracy == pytest.approx(repeated.accuracy)
    assert (weighted.weighted, repeated.weighted) == (True, False)
    assert np.sum(weighted.confusion_matrix) == weighted.events == 60


def test_sums_of_weights_stand_under_their_head() -> None:
    labels, scores = RANDOM.integers(0, 2, 60), RANDOM.random(60)
    head, _, *lines = evaluate(labels, scores, ["b", "s"], weights=RANDOM.random(60) * 3 + 0.1).text.splitlines()
    assert {len(line) for line in lines if line} == {len(head)}


def test_negative_weights_are_not_used_and_that_is_said() -> None:
    labels, scores = np.array([0, 1, 0, 1]), np.array([0.1, 0.6, 0.7, 0.9])
    found = evaluate(labels, scores, ["b", "s"], weights=np.array([1, -1, 2, 1]))
    assert found.auc == evaluate(labels, scores, ["b", "s"]).auc
    assert not found.weighted
    assert found.notes == ["1 of 4 events have negative weights: the metrics do not use the weights"]
