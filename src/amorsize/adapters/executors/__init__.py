"""Executors that come with amorsize: what starts and ends workers."""
