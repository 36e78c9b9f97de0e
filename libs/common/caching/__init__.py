"""Answers that are remembered until what they show has changed: in the process, or in the Redis of the bus."""
