"""Tests of the worker classes."""
