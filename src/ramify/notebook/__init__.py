"""What is shown live in Jupyter. Needs the extra `notebook`; found by entry point, never by import."""
