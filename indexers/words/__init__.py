"""Texts of any language as the words that are searched: one cutting for what is stored and for what is looked for.

A database sees words that are ready: folded, cut and stemmed here, so that every one holds the same.

letters             one form for the letters that readers take for the same
splitting           a text as words; pairs of letters where a script has no blanks; emoji
languages           which language a text is in, and the stems of its words
function_words.txt  the words by which languages are told apart
paths               the names in the path of a file
tokens              what an index stores of texts, and what it is asked
"""
