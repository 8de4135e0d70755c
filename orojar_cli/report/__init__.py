"""The comparison of direction sets: contenders, calibrated steps, measurements with tests, and the page that shows them."""
