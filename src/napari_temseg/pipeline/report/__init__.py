"""The report of a run: its first sheet, its pictures, its page."""
