"""The code inside a worker process. It imports nothing of the server."""
