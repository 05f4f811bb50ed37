"""What one sweep leaves behind: a run folder with its record, tables and pictures."""
