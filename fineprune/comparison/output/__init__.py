"""What a comparison leaves behind: files, a page, and the answer on the terminal.

`readable_tables` formats the tables, `html_page` lays out the report, `result_files` writes all files, `terminal`
prints the answer, `log_record` is what MLflow keeps of it.
"""
