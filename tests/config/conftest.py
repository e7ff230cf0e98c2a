"""Where modules without a file of their own are tested.

- origins, writing: cli/test_config, diagnosis/test_doctor
- structuring: test_settings
"""
