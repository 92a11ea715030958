"""Commands of `eva-graph`, one module each; `eva_graph.cli` registers them."""
