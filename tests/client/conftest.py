"""Where modules without a file of their own are tested.

- alone: test_disable, test_initializer
- calls: test_client, test_arguments, test_api
"""
