"""What sampling and running both need of the operating system: forks, descriptors, facts of processes."""
