"""What a repository rests on, and how to fix it."""
