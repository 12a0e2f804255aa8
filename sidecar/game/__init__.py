"""The game server beside the data: held still while it is packed, stopped while names are exchanged."""
