"""The reusable client object, and what it and the public functions do once their arguments are checked."""
