"""The op cases by family; `op_cases.CASES` is the whole table."""
