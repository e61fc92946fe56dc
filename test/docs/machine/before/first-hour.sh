# Nothing: the page begins on a machine with Postfix alone.
