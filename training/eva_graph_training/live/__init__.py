"""GRPO in the agent's own graph: it plays against a vLLM server that gets the trainer's weights.

`weights` writes them, `push` tells the server over HTTP, `playing` plays and `exact` keeps only
episodes whose ids are the very ones that were sampled, `agreement` compares the log-probabilities
of server and trainer, and `trainer` puts this around a GRPO trainer.
"""
