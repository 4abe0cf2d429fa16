"""`python -m mlir_harness`."""

from mlir_harness.cli import main

main()
