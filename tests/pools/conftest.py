"""Where modules without a file of their own are tested.

- streams: test_executor, test_pool
"""
