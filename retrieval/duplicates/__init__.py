"""Duplicates: found with proof, grouped, decided on, and moved out of the way.

finder      compares pictures, groups those that are the same, and answers "do we have this already?"
grouping    which pairs form a group
keeping     the rule that chooses which item of a group to keep, and why
merging     what the item that is kept takes over from the others, by a rule for each key
decisions   what people decide about groups and pairs
shots       how pictures were taken: two shots of one camera are no copies
moving      moving the files of duplicates, with a manifest that undoes it
"""
