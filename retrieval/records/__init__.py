"""Records: frozen answers that do no work, each with `to_dict()`.

base         plain dictionaries, sequences of rows, tables
items search clusters duplicates evaluation reports    the records of each topic
pictures     where records load pictures from
notebook     how records show themselves in a notebook
codec        a record as JSON and back
"""
