"""Pictures: where they lie, how they are read, and how hostile ones are kept from doing harm.

    scan            picture files on disk: files, folders, globs; a path as a string that a database takes, and back
    remote          picture files elsewhere: archives, buckets, the web if enabled, but no private network
    images          decode a file as a person sees it; shrink it, hash it, or say why it is no picture
    colours         bring a picture with a colour profile to sRGB
    rgb             any of Pillow's modes as RGB; the ground that a transparent picture is laid over
    tags            facts in a file about its picture: its orientation, when and where it was taken, the camera
    tiff            TIFFs that Pillow reads wrongly or not at all
    turns           a bound on the pixels of large pictures that a process holds at once
    stills          the pictures of a file of several: `media` knows their kinds, `documents` reads PDFs, `films` films
    extraction      take such a file apart in a process of its own
    isolation       decode in processes of their own, with limits on memory and time

Nothing here knows of a database or a collection.
"""
