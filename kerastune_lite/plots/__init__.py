"""Plotly figures of a study, and the report that holds them. Plotly is imported when a figure is drawn."""
