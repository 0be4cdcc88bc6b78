"""Items: putting pictures in, reading them, changing them and taking them out.

sources    what a caller may give to `add`, sorted into files to scan and pictures to take as they are
path_list  lists of paths that other programs write
adding     pictures, vectors and texts into the catalogue
items      reading, updating and removing items
pictures   the picture of an item, from where it lies
"""
