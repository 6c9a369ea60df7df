"""Preference studies: a blind page that asks people which videos they prefer, and their votes."""
