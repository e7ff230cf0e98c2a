"""An Executor and a Pool in the form of the standard library's."""
