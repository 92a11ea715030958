"""`eva-graph serve`: which vLLM command serves a policy, and its start."""
