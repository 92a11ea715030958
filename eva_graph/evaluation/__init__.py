"""Benchmarks, scoring and honest statistics over recorded episodes."""

from eva_graph.evaluation.benchmarks import BENCHMARKS, load_questions
from eva_graph.evaluation.compare import Comparison, Flip, compare
from eva_graph.evaluation.episode_rows import EpisodeRow, episode_row, episode_rows
from eva_graph.evaluation.gate import Gate
from eva_graph.evaluation.questions import EvalQuestion, LoadSummary, Profile
from eva_graph.evaluation.report import Measure, Report, report
from eva_graph.evaluation.report_page import comparison_page, report_page
from eva_graph.evaluation.report_terminal import render_comparison, render_report
from eva_graph.evaluation.scoring import Judge, Score, score
from eva_graph.evaluation.statistics import Estimate, McNemar

__all__ = [
    "BENCHMARKS",
    "Comparison",
    "EpisodeRow",
    "Estimate",
    "EvalQuestion",
    "Flip",
    "Gate",
    "Judge",
    "LoadSummary",
    "McNemar",
    "Measure",
    "Profile",
    "Report",
    "Score",
    "compare",
    "comparison_page",
    "episode_row",
    "episode_rows",
    "load_questions",
    "render_comparison",
    "render_report",
    "report",
    "report_page",
    "score",
]
