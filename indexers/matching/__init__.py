"""What proves that two pictures are the same: hashes that nominate, features that are kept, a proof for each pair.

    calibration     from which similarity of vectors on a pair is worth a look
    hashes          64 bits a picture: which pairs are worth a look
    features        points, descriptors and a small thumbnail of a picture, to be stored
    descriptors     what surrounds a point, as 256 bits that can be mirrored
    geometry        which points correspond, and by what similarity transform
    comparing       aligned thumbnails, block by block
    search          alignment by pixels, for pictures without points
    verification    the verdict, with its evidence
    differences     what was done to a copy, in words
    overlay         the evidence for people's eyes

No database and no collection. Importing this loads nothing.
"""
