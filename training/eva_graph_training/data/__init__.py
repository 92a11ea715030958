"""Data of the three stages: teacher rollouts, labelled episodes, and questions that are worth it.

`sft_set`, `kto_set` and `rl_set` build one set each into a folder of its own, and can be killed and
started again at any point: what was answered is never asked again. Whatever is left out is counted
in the folder's card. The command is `eva-graph data`.
"""
