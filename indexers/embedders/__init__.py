"""The family of embedders: pictures in, vectors out."""
