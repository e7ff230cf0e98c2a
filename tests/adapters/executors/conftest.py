"""Where modules without a file of their own are tested.

- process, serial, thread: test_executors, contracts/test_executors
"""
