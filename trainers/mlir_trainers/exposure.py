"""Which evaluation data is among the training texts; see mlir_harness.contamination."""
