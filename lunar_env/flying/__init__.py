"""What a pilot is, and how one flies every episode once to its end."""
