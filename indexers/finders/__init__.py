"""Finders: a picture in, parts of it out, each with a place.

base      the contract, and what a part is as it is found
masks     the grid that says where in its box a part is, as run lengths
tiles     a grid of squares
regions   segments of like colours, merged step by step (scikit-image)
subject   what a picture shows in front of its background (U2-Net)
contract  the promises of every finder, as tests
"""
