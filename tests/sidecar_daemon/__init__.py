"""The daemon as a real process and the portal's client, over loopback and Unix sockets."""
