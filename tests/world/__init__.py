"""A customer with a server, as every folder of tests needs one."""
