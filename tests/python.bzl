"""Tests that are Python programs."""

def python_test(name, main, srcs = [], data = [], args = [], **kwargs):
    """A test that runs a Python program with the system's interpreter.

    Args:
      name: the target.
      main: the program; exit status 0 means passed.
      srcs: modules it imports, as `from tests.lab import ...`.
      data: other files it needs.
      args: its arguments.
      **kwargs: what every test takes (size, tags, ...).
    """
    native.sh_test(
        name = name,
        srcs = ["//tests:run_python.sh"],
        args = ["$(location %s)" % main] + args,
        data = [main] + srcs + data,
        **kwargs
    )
