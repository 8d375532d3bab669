"""The fast program: loss and gradient with derivatives by hand, held by tests to the plain one."""
