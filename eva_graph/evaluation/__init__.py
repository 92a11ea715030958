"""Benchmarks, their evaluation, scoring and honest statistics over recorded episodes."""

from eva_graph.evaluation.asker import AgentAsker, Asker, make_asker
from eva_graph.evaluation.asking import ask_videos
from eva_graph.evaluation.benchmarks import BENCHMARKS, load_questions
from eva_graph.evaluation.compare import Comparison, Flip, compare
from eva_graph.evaluation.episode_rows import EpisodeRow, episode_row, episode_rows
from eva_graph.evaluation.gate import Gate
from eva_graph.evaluation.plan import EvaluationPlan, EvaluationSettings
from eva_graph.evaluation.questions import EvalQuestion, LoadSummary, Profile
from eva_graph.evaluation.report import Measure, Report, report
from eva_graph.evaluation.report_page import comparison_page, report_page
from eva_graph.evaluation.report_terminal import render_comparison, render_report
from eva_graph.evaluation.run_directory import EvaluationRun
from eva_graph.evaluation.runner import evaluate
from eva_graph.evaluation.scoring import Judge, Score, score
from eva_graph.evaluation.statistics import Estimate, McNemar
from eva_graph.evaluation.video_questions import VideoQuestions, by_video, sampled

__all__ = [
    "BENCHMARKS",
    "AgentAsker",
    "Asker",
    "Comparison",
    "EpisodeRow",
    "Estimate",
    "EvalQuestion",
    "EvaluationPlan",
    "EvaluationRun",
    "EvaluationSettings",
    "Flip",
    "Gate",
    "Judge",
    "LoadSummary",
    "McNemar",
    "Measure",
    "Profile",
    "Report",
    "Score",
    "VideoQuestions",
    "ask_videos",
    "by_video",
    "compare",
    "comparison_page",
    "episode_row",
    "episode_rows",
    "evaluate",
    "load_questions",
    "make_asker",
    "render_comparison",
    "render_report",
    "report",
    "report_page",
    "sampled",
    "score",
]
