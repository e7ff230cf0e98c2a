"""Where modules without a file of their own are tested.

- backend, builtin, hook_specifications: test_registry
"""
