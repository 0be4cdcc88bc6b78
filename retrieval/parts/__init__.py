"""Parts: what finders find in pictures, with places and vectors of their own.

finder    looks for parts in the pictures that were not looked at yet, and embeds them
asking    the part of a picture that asks for such parts
"""
