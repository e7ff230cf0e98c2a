"""What a plan costs, and the search for the best one."""
