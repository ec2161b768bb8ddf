"""Tests of the Python side; a test file stands where its source file stands in python/tunicorn."""
