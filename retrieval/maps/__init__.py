"""The map: a place on a plane for every item, near to what it is like, where it stays.

mapper    the map of a collection: laid out once, kept in its folder, followed as items come and go
layout    the places of many vectors at once, by openTSNE
placing   the places of new vectors among those that have one; a new layout turned to fit the one before
store     the file of a map

Importing this loads nothing heavy.
"""
