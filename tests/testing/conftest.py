"""Where modules without a file of their own are tested.

- caches, concurrency, raising: contracts/test_contract_of_caches, test_testing
- executors: contracts/test_contract_of_executors
- faults: contracts/test_cache_faults
- machines: contracts/test_machines
"""
