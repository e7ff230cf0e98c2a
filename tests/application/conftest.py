"""Where modules without a file of their own are tested.

- dependencies, question: test_optimizer, test_optimizer_faults, test_optimizer_overheads
- look_up, recent: test_optimizer, test_optimizer_items
- ports: contracts/test_caches, contracts/test_machines, contracts/test_executors
- solver: test_optimizer_overheads, test_optimizer_load
"""
