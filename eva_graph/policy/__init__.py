"""Whatever writes the turns: OpenAI-compatible servers, in-process models, LangChain models."""
