"""What programs propose, and what comes of it when a person accepts.

book    enter proposals, list them, accept and reject them
kinds   the kinds of proposals: what each is about, and how it is carried out
"""
