"""Ways to work beside the caller: forked processes, threads, and pools of processes that start empty."""
