"""Work that many processes share, on one machine or on several: queued in the catalogue, done by whoever asks for it.

kinds    what a kind of work is, and those there are
embed    pictures to add, by the pipeline that `add` runs
items    what is done with items that are in the collection: reading their text
queue    rows of work: put in, counted, told of
worker   the loop that claims rows, does them, and says so
"""
