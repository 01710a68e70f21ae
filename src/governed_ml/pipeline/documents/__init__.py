"""What people read of a run as a document: the cards, filled into templates."""
