"""Training of encoders on parallel data, and the paper's claims put to the test."""
