"""Stacks: pictures that belong together and are no copies, each with a cover.

finder      what of a collection forms stacks, their covers, and people's choice of another one
series      bursts, exposure brackets and focus series, among the shots of one camera
versions    files of one exposure, and what was made of a picture
frames      whether two shots show the same frame

How a picture was taken is read in `retrieval.duplicates.shots`: it tells copies from shots, too.
"""
