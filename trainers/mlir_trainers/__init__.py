"""Training of encoders on parallel data. Nothing is here yet."""
