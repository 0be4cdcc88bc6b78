"""The truth: one SQL database with items, metadata, vectors, clusters and decisions. No SQL is written elsewhere.

addresses     where a collection is: a folder, or a database
catalogue     open or create the database, and hand out snapshots and transactions
snapshot      what can be read of one moment; `readers`: of the parts of it
rows          rows as records, and times as text
transaction   what can be written: all of it or nothing, one logged change for each thing done
file_writer   the part of a transaction that brings items to what their files say
space_reader  what can be read of spaces: their vectors, changes, followers and settings
space_writer  the part of a transaction that writes these
parts         what finders have found in pictures; `part_writer` writes it
clusters      public cluster ids, members, names and events; partitions
corrections   what people say of clusters
clusterings   named clusterings and the cluster of each item
duplicates    perceptual hashes, compared pairs, people's decisions
merges        what an item that is kept takes over from its duplicates
proposals     what programs propose, and what became of it
qualities     how good pictures are
lessons       what the collection learns to tell apart, and what people say items are
file_metadata what files say of their pictures, kept apart from what users say
item_names    items by id, key, URI or path
conditions    conditions on items, compiled to SQL
lookup        the items that a condition holds for, however long it is
full_text     the inverted index over text and metadata
metadata      what metadata may hold, and the rows that filters read
work          work that many processes share, and who does it
schema        the tables; beside it `decision_tables`, `part_tables`, `work_tables`, and `columns` with what all share
database      what a catalogue asks of its database; `sqlite_database`: a file in the folder of the collection
dialects      how the SQL of databases differs; expressions: functions that each writes in its own way
postgresql    all that is specific to PostgreSQL's SQL; beside it `postgresql_database`, `_functions` and `_words`
sqlite        all that is specific to SQLite's SQL: connections, errors, integrity, copies; `sqlite_words`: FTS5
writer_lock   the lock that makes one writer at a time, and names its holder
upgrade       migrations, applied when a user calls for them
copying       the copy of a catalogue into a database of either kind
rescue        a new database from what can be read of a damaged one
"""
