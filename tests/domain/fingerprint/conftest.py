"""Where modules without a file of their own are tested.

- callables, instances, objects: test_fingerprint, test_fingerprint_changes, test_memo
- changing: test_fingerprint_changes, domain/test_effects
- containers, environment, reader, reading: test_fingerprint_changes, test_fingerprint_bounds
- loaded, modules, origins: test_fingerprint_bounds, processes/test_distributions
"""
