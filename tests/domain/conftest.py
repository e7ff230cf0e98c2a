"""Where modules without a file of their own are tested.

- followed_code, own_code: test_process_state, processes/test_process_bound
- kept_objects: test_process_state
- planning/situation: planning/test_planner, application/test_optimizer_load
"""
