"""The history of the archive's tables; run at its opening."""
