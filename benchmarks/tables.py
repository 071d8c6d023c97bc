"""Data frames as text."""

import pandas as pd


def markdown(table: pd.DataFrame) -> str:
    """Returns a data frame as a Markdown table, without its index."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
