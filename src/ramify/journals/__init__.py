"""Journals: one append-only sequence of records per run, one writer."""
