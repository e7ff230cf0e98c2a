"""What the cache keeps, and its maintenance."""
