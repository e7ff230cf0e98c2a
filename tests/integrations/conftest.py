"""Where modules without a file of their own are tested.

- pandas: peers/test_pandas
"""
