"""What a function is: read part by part, the same in every process."""
