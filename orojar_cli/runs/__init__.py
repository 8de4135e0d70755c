"""Run directories, and how interrupted work goes on."""
