"""Runs a function over all items as planned: every item exactly once, results in order."""
