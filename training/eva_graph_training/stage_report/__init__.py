"""What a stage says of itself when it ends: curves, scores before and after, sample episodes.

    <work>/<stage>/report.html        one file, nothing loaded from elsewhere
    <work>/<stage>/report.json        the same for machines
    <work>/<stage>/held_out/before/   the start's answers to the held-out questions, an evaluation
    <work>/<stage>/held_out/after/    the trained model's
    <work>/<stage>/samples/           where no questions are held out: episodes on the stage's own

All of it is made of files: it can be written by another call than the one that trained.
"""

from eva_graph_training.stage_report.questions import held_out_questions
from eva_graph_training.stage_report.writing import report_stage, write_stage_report

__all__ = ["held_out_questions", "report_stage", "write_stage_report"]
