"""`eva-graph app`: a page in the browser to ask videos questions and watch the agent look.

Needs the extra `app` (Gradio); nothing here is imported by the rest of the package.
"""
