"""The paper in miniature: world, teacher, SFT, KTO, GRPO, baselines, evaluation and tables.

One command, `eva-graph train recipe nano`, runs a chain of steps (`chain`), each in a folder of its
own that is named after everything that decides its result (`steps`): what was done is not done
again, ablations and seeds share what they have in common, and a killed chain goes on. Finished runs
leave small reports, from which all tables and pictures are made (`tables`).
"""
