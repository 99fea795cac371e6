"""Values -> Vega-Lite specifications, a file per subject. Inputs are fractions, figures show percent."""
