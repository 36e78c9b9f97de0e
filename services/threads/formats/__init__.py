"""The files that conversations are brought in and taken out by, and one form of a conversation between them and us."""
