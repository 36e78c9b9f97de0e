"""The migrations of the threads service's documents, each in a file of its own: `0001_name.py`."""
