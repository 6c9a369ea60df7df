"""Preference studies: a blind page that asks people which videos they prefer, and their votes.

`study` draws the questions, `page` writes the page, `votes` reads and counts the answers.
"""
