"""The names that other tuners have, and how the same is written here: a table for each class that people use.

A person who brings code meets these first. An unknown name or argument that stands in a table is told with the line
to write instead, and with the guide for people who come from that tuner.
"""
