"""What a collection learns from labels, and what it suggests.

labels     the labels of a lesson: of people, metadata, clusters and folders
teacher    the classifier of a lesson over the stored vectors, as it is now
questions  the pictures whose answer would teach most
lessons    the methods of a collection
"""
