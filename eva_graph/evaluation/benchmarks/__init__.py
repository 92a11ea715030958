"""Loaders of the six benchmarks and of people's own questions."""

from eva_graph.evaluation.benchmarks.loading import BENCHMARKS, load_questions

__all__ = ["BENCHMARKS", "load_questions"]
