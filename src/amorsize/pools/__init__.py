"""Executor and Pool, with the methods of concurrent.futures.Executor and multiprocessing.Pool."""
