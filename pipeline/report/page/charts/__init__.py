"""Values -> Vega-Lite specifications, a file per subject. Fractions come in, percent goes out."""
