"""Where modules without a file of their own are tested.

- finding, machine, setup: test_doctor
"""
