"""Getting, checking and describing the files that tasks and encoders are made of."""
