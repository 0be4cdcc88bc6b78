"""What proves that two pictures are the same: hashes that nominate, features that are stored, a proof for each pair.

    calibration     from which similarity of vectors on a pair is worth a proof
    hashes          64 bits a picture, in eight views: which pairs are worth a proof
    compact         the best points of a picture, short: kept of every picture
    clarity         where a picture is sharp and bright
    sketch          hashes, compact features and clarity, made while a picture is decoded
    nomination      an index over compact features: who may show the same
    agreement       how one picture lies on the other, roughly, by their compact features
    coarse          pictures at a glance: what can't be the same needs no proof
    features        points, descriptors and a small thumbnail of a picture, to be stored
    corners         points detected without OpenCV
    descriptors     what surrounds a point, as 256 bits that can be mirrored
    geometry        which points correspond, and by what similarity transform
    comparing       aligned thumbnails, block by block
    details         what is drawn, stroke by stroke
    drawings        what makes another drawing of one with the same strokes
    alignment       a transform found by pixels, for pictures without points
    reshaping       features as they would be of the stretched, inverted, cropped or projected picture
    pages           which pictures are pages on a screen, by their straight edges
    cells           which part of a picture another one shows
    judging         how what agrees under a transform has to agree
    proofs          ways to prove a pair, from the usual to the rare
    verification    the verdict on a pair, and what it rests on
    differences     what was done to a duplicate, in words
    quality         how good a picture is, in four numbers
    registration    how one picture lies on another, to a fraction of a pixel
    stitching       overlapping pictures as one
    fusing          several pictures of one scene as one
    denoising       less noise
    overlay         the verdict as a picture, for people's eyes

No database and no collection. Importing this package doesn't load OpenCV.
"""
