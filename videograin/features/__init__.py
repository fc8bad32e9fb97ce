"""What one node asks of a sampling run, one feature a file."""
