"""What a repository rests on, and how to mend it."""
