"""The steps of one run as functions, with no orchestrator."""
