"""A video agent that plans before it perceives, as a LangGraph state machine."""
