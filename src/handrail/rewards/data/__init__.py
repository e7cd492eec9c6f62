"""Turns made ready to learn rewards from: ratings in 0..1, evened out; imports `records` alone."""
