"""Getting, checking and describing the files that tasks are made of."""
