"""Embedders: the plug-in family that turns pictures (and, for some, words) into vectors.

    base            the contract that every member keeps
    tiny            13 numbers that can be worked out by hand: for tests and first tries
    classic         shape, colour and texture without weights, from the parts in `features`
    features        hand-made features, each of the whole picture or of the cells of a spatial pyramid
    lite0           EfficientNet-Lite0: the default, whose weights come with a package
    lite0_graph     the same as an ONNX graph, which needs no torch
    lite0_inner     what becomes of its inner layers: each counts alike, around a centre that never changes
    lite0_words     words in its space: the directions in which its classifier looks for what they mean
    class_words     what words mean, as shares of ImageNet's classes; class_words.bin holds them
    lite0_torch     the same in torch, for a GPU
    network         what all embedders share that are one torch network over one transform
    clip            CLIP through open_clip: pictures and words in one space
    torchvision     torchvision's classifiers without their last layer
    timm            any model of timm by its name
    onnx            any image model in an ONNX file
    export          write a network as such a file
    transform       resize, crop and normalise as the model's makers do, or fit the whole picture in
    engines         run a network with torch, ONNX Runtime or OpenVINO, in full or reduced precision; choose one
    quick           compute the same function in less time
    weights         find, download and read files of weights; nothing in them can run
    torch_file      read tensors from torch's older format without torch
    onnx_writer     write an ONNX model without the package onnx
    cache           files in the user's cache folder that save time
    overview        which embedders can be used now, and how quick they are here

Importing this loads nothing; importing a member loads no network and no weights.
"""
