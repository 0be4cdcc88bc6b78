"""The door for programs that speak the Model Context Protocol: `nearkin mcp`. It needs the extra `mcp`.

tools      what such a program may ask and propose; knows no protocol
wording    what is told of items: facts with limits, since names and metadata come from strangers
server     the tools over the protocol, by standard input and output or HTTP

Programs read, and propose; a person accepts or rejects what they propose.
"""
