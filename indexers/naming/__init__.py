"""Names for clusters that no person has named.

namer           names new clusters of one space, from their members' texts or by sight
telling         what an item tells about what it shows, without its own facts
words           which words name a cluster: those that its members use more than others do, or those near its centre
vocabulary      the vectors of the words that clusters are named with, kept in a file
vocabulary.txt  the words themselves: English nouns and short phrases for what pictures show
"""
