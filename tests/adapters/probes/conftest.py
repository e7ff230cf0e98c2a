"""Where modules without a file of their own are tested.

- fresh: test_child
- gil: test_sampling
- overheads_program: test_start_method
"""
