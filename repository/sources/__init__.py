"""Where the files of a snapshot come from: the protocol, and a local folder."""
