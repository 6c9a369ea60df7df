"""Which videos do people prefer? A blind page to ask them with, and the count of their votes."""
