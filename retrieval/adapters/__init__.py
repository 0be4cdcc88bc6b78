"""Other frameworks' interfaces over a collection. Each file needs its framework, and is imported by its own name.

    base          what the adapters share: collections, embedders, documents as items, filters; knows no framework
    langchain     a vector store and embeddings
    llamaindex    a vector store and a multi-modal embedding
    haystack      a document store, a retriever, and embedders as components
    sklearn       pictures to vectors as a transformer, and neighbour graphs from an index
    datasets      Hugging Face datasets added to a collection

Importing this loads nothing.
"""
