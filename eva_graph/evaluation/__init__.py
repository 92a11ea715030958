"""Benchmarks, scoring and honest statistics over recorded episodes.

Importing this package loads nothing that a look, a policy or a training run needs.
"""

from eva_graph.evaluation.questions import EvalQuestion, LoadSummary, Profile

__all__ = ["EvalQuestion", "LoadSummary", "Profile"]
