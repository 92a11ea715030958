"""Labels for KTO: an open taxonomy of faults and merits, computed from the record alone.

Rules are data (`rules()`), and anybody may `register` more; a `Judge` may be asked where the record
cannot tell. The decision (desirable, undesirable, neither) is in `labelling`.
"""

from __future__ import annotations

from eva_graph_training.labels import answer_rules, look_rules, turn_rules
from eva_graph_training.labels.facts import Facts, Look
from eva_graph_training.labels.judge import Judge, PolicyJudge
from eva_graph_training.labels.labelling import label_record, label_run
from eva_graph_training.labels.report import Labelled, LabelReport
from eva_graph_training.labels.rule import Rule, register, rules

__all__ = [
    "Facts",
    "Judge",
    "LabelReport",
    "Labelled",
    "Look",
    "PolicyJudge",
    "Rule",
    "answer_rules",
    "label_record",
    "label_run",
    "look_rules",
    "register",
    "rules",
    "turn_rules",
]
